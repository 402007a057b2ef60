"""RecommendationService: reads the customer, decides, records the decision, answers."""

import hashlib
from collections.abc import Iterable
from math import inf
from typing import NamedTuple

import grpc
import msgspec
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceServicer

from models.catalogue import Item, Offer, Row, default_offer, offer_id
from models.checking import asked_again
from models.checking import check as holds
from models.codec import encode
from models.decide import Deciding, World
from models.decision import Decision, Record, Request
from models.errors import BadInput, Conflict, StoreUnavailable, ThroughlineError, Unreadable
from models.events import Event
from models.explain import explain
from models.given import rows_used
from models.policy import Policy
from models.profile import Profile
from models.reservations import reserved
from service import limits
from service.decision_messages import answer, fill_money, request_of
from service.event_messages import INVALID
from service.explaining import fill
from service.metrics.answers import Laps
from service.parts import Parts
from service.status import AlreadyUsed, NoLongerServed, NotFound, kind_of
from service.store import Committed, Customer, RequestKey
from service.store.linking import ATTEMPTS, pause
from service.validation import Check

# Seconds: a caller with less time than that does not make a store that answers look dead.
LEAST_PATIENCE = 0.02


class _Asked(NamedTuple):
    """One validated request, the hashes of whom it is about, and the name it was given."""

    request: Request
    identifiers: list[bytes]
    key: RequestKey | None


class Recommendations(RecommendationServiceServicer):
    """Decides with one function, whoever asks, and says why and whether it still holds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def Recommend(  # noqa: N802
        self, request: pb.RecommendRequest, context: grpc.ServicerContext
    ) -> pb.RecommendResponse:
        """Decide for one customer."""
        laps = Laps()
        check = Check()
        serving = self._parts.runtime.serving
        asked = self._asked(check, request, serving.policy)
        check.done()
        laps.end("parse")
        world = serving.world()
        response = pb.RecommendResponse()
        try:
            customer = self._read(asked, context)
        except StoreUnavailable:
            customer = None
        laps.end("read")
        self._decide(response, asked, world, customer, laps)
        return response

    def RecommendBatch(  # noqa: N802
        self, request: pb.RecommendBatchRequest, context: grpc.ServicerContext
    ) -> pb.RecommendBatchResponse:
        """Decide for many customers, one outcome each."""
        check = Check()
        check.size("requests", request.requests, limits.BATCH, least=1)
        check.done()
        world = self._parts.runtime.serving.world()
        response = pb.RecommendBatchResponse()
        away = False
        for message in request.requests:
            result = response.results.add()
            laps = Laps()
            check = Check()
            asked = self._asked(check, message, world.policy)
            if check.violations:
                result.outcome.code = INVALID
                result.outcome.detail = str(check.violations[0])
                self._parts.metrics.answers.refuse()
                continue
            laps.end("parse")
            customer = None
            try:
                # One wait for a store that is away is enough for all two hundred.
                customer = None if away else self._read(asked, context)
            except StoreUnavailable as error:
                away = not isinstance(error, Unreadable)
            laps.end("read")
            result.outcome.SetInParent()
            try:
                self._decide(result.response, asked, world, customer, laps)
            except ThroughlineError as error:
                result.ClearField("response")
                result.outcome.code = kind_of(error).code.value[0]
                result.outcome.detail = str(error)
        return response

    def ExplainDecision(  # noqa: N802
        self, request: pb.ExplainDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ExplainDecisionResponse:
        """Explain one offer of a decision, shown or not."""
        check = Check()
        check.id("decision_id", request.decision_id)
        check.id("offer_id", request.offer_id)
        check.done()
        record = self._record(request.decision_id)
        world = self._parts.runtime.serving.world()
        moment = record.decision.moment
        if (moment.release, moment.policy) != (world.index.release.id, world.policy.digest):
            raise NoLongerServed(moment.release)
        response = pb.ExplainDecisionResponse()
        fill(response, explain(record, world, request.offer_id), world.index.catalogue)
        return response

    def CheckOffer(  # noqa: N802
        self, request: pb.CheckOfferRequest, context: grpc.ServicerContext
    ) -> pb.CheckOfferResponse:
        """Say whether an offer still holds, and decide anew where it does not."""
        check = Check()
        check.id("decision_id", request.decision_id)
        check.id("offer_id", request.offer_id)
        check.name("channel", request.channel, self._parts.names.channels)
        check.text("place", request.place, limits.PLACE_BYTES)
        check.done()
        record = self._record(request.decision_id)
        if request.offer_id not in {shown.offer for shown in record.decision.slate}:
            raise BadInput("offer_id", "not shown by this decision")
        place = request.place or record.request.place
        world = self._parts.runtime.serving.world()
        customer = self._parts.store.read([record.customer])
        now = self._parts.clock.now()
        found = holds(record, request.offer_id, customer.profile, world, place, now)
        response = pb.CheckOfferResponse(
            holds=found.reason is None,
            reason=int(found.reason or 0),  # type: ignore[arg-type]
            rule=found.rule,
        )
        if found.price is not None:
            fill_money(response.price, found.price)
        if found.told is not None:
            fill_money(response.told_price, found.told)
        if found.reason is not None:
            asked = _Asked(
                asked_again(record.request, request.channel, place), [record.customer], None
            )
            self._decide(response.alternative, asked, world, customer, Laps())
        return response

    def _record(self, decision_id: str) -> Record:
        """Return a decision's record; raises `NotFound`."""
        record = self._parts.store.decision(decision_id)
        if record is None:
            raise NotFound("decision_id: not found")
        return record

    def _asked(self, check: Check, message: pb.RecommendRequest, policy: Policy) -> _Asked:
        identifiers = check.identifiers(message.identifiers, self._parts.names.namespaces)
        request = request_of(check, message, self._parts.names, policy)
        name = check.id("request_id", message.request_id, required=False)
        if check.violations:
            return _Asked(request, [], None)
        hashes = self._parts.hashes(identifiers)
        digest = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16)
        key = RequestKey(hashes[0], name, digest.digest()) if name else None
        return _Asked(request, hashes, key)

    def _read(self, asked: _Asked, context: grpc.ServicerContext) -> Customer:
        """Return the customer; raises `StoreUnavailable`, while there is time for an answer."""
        left = context.time_remaining()
        patience = inf if left is None else max(LEAST_PATIENCE, left / 2)
        return self._parts.store.read(asked.identifiers, patience)

    def _decide(
        self,
        response: pb.RecommendResponse,
        asked: _Asked,
        world: World,
        customer: Customer | None,
        laps: Laps,
    ) -> None:
        """Answer with a decision that is kept; who is overtaken meanwhile is decided on again."""
        parts = self._parts
        for attempt in range(ATTEMPTS):
            record = self._answered(asked, customer)
            if record is not None:
                laps.end("read")
                break
            record, reserve = self._made(asked, world, customer)
            laps.end("decide")
            stored = self._stored(record, asked, customer, reserve)
            laps.end("record")
            if stored:
                break
            pause(attempt)
            customer = self._read_again(asked)
            laps.end("read")
        else:
            raise Conflict("customer: too many decisions at once; ask again")
        answer(response, record.id, record.decision, offers_of(record.decision, record.rows))
        laps.end("answer")
        parts.metrics.answers.add(asked.request.channel, record.decision, laps)

    def _answered(self, asked: _Asked, customer: Customer | None) -> Record | None:
        """Return the decision that answered this request before; raises `AlreadyUsed`."""
        if asked.key is None or customer is None:
            return None
        store = self._parts.store
        known = store.requested(asked.identifiers, customer.profile, asked.key)
        if known is None:
            return None
        if known.digest != asked.key.digest:
            raise AlreadyUsed
        record = store.decision(known.decision_id)
        if record is None:
            raise StoreUnavailable("decision: not found; send it again")
        return record

    def _made(
        self, asked: _Asked, world: World, customer: Customer | None
    ) -> tuple[Record, list[Event]]:
        """Decide once; return what is kept of it, and what of the customer's contacts it takes."""
        parts = self._parts
        # Read after the customer: what is counted as over must be over for what was read, too.
        now = parts.clock.now()
        blind = customer is None
        profile = Profile(customer=asked.identifiers[0]) if customer is None else customer.profile
        deciding = Deciding(profile, world, asked.request, now, blind=blind)
        decision = deciding.decision()
        told = parts.flags(customer is not None and customer.disagree)
        flags = tuple(sorted({*decision.flags, *told}))
        decision = msgspec.structs.replace(decision, flags=flags)
        record = Record(
            id=parts.store.new_decision_id(profile.customer, now),
            customer=profile.customer,
            time=now,
            request=asked.request,
            profile=encode(profile) if customer is None else customer.blob,
            decision=decision,
            rows=rows_used(decision, world.index.catalogue, asked.request.place),
        )
        if customer is None:
            return record, []
        under, channel = customer.reached_by(asked.identifiers), asked.request.channel
        return record, [
            reserved(under, record.id, channel, now, offer) for offer in deciding.reservations()
        ]

    def _stored(
        self, record: Record, asked: _Asked, customer: Customer | None, reserve: list[Event]
    ) -> bool:
        """Keep a decision with what it reserves; False if it was overtaken, by whatever."""
        store = self._parts.store
        if customer is None:
            store.commit(record)
            return True
        try:
            done = store.commit(record, customer.profile, reserve, asked.key)
        except StoreUnavailable:
            # If it was stored after all, its contact is held until it lapses, or the id finds it.
            return False
        return isinstance(done, Committed)

    def _read_again(self, asked: _Asked) -> Customer | None:
        try:
            return self._parts.store.read(asked.identifiers)
        except StoreUnavailable:
            return None


def offers_of(decision: Decision, rows: Iterable[Row]) -> dict[str, Offer]:
    """Return the offers of the slate, by id, out of the rows that its record keeps."""
    kept = {offer_id(row): row for row in rows}
    slate = ((shown.offer, kept[shown.offer]) for shown in decision.slate)
    return {name: default_offer(row) if isinstance(row, Item) else row for name, row in slate}
