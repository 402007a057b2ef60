"""RecommendationService: reads the customer, decides, records the decision, answers."""

from math import inf
from typing import NamedTuple

import grpc
import msgspec
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceServicer

from models.catalogue import Catalogue, Offer
from models.codec import encode
from models.decide import Deciding, World
from models.decision import Decision, Record, Request
from models.errors import Conflict, StoreUnavailable, Unreadable
from models.events import Event
from models.given import rows_used
from models.policy import Policy
from models.profile import Profile
from models.reservations import reserved
from service import limits
from service.decision_messages import answer, request_of
from service.event_messages import INVALID
from service.metrics.answers import Laps
from service.parts import Parts
from service.store import Committed, Customer
from service.store.linking import ATTEMPTS, pause
from service.validation import Check

# Seconds: a caller with less time than that does not make a store that answers look dead.
LEAST_PATIENCE = 0.02


class _Asked(NamedTuple):
    """One validated request, and the hashes of whom it is about."""

    request: Request
    identifiers: list[bytes]


class Recommendations(RecommendationServiceServicer):
    """Answers `Recommend` and `RecommendBatch` with the same function."""

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
            self._decide(result.response, asked, world, customer, laps)
        return response

    def _asked(self, check: Check, message: pb.RecommendRequest, policy: Policy) -> _Asked:
        identifiers = check.identifiers(message.identifiers, self._parts.names.namespaces)
        request = request_of(check, message, self._parts.names, policy)
        return _Asked(request, [] if check.violations else self._parts.hashes(identifiers))

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
            record, reserve = self._made(asked, world, customer)
            laps.end("decide")
            stored = self._stored(record, customer, reserve)
            laps.end("record")
            if stored:
                break
            pause(attempt)
            customer = self._read_again(asked)
            laps.end("read")
        else:
            raise Conflict("customer: too many decisions at once; ask again")
        offers = offers_of(record.decision, world.index.catalogue)
        answer(response, record.id, record.decision, offers)
        laps.end("answer")
        parts.metrics.answers.add(asked.request.channel, record.decision, laps)

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

    def _stored(self, record: Record, customer: Customer | None, reserve: list[Event]) -> bool:
        """Keep a decision with what it reserves; False if the customer changed meanwhile."""
        store = self._parts.store
        if customer is None or not reserve:
            store.commit(record)
            return True
        try:
            return isinstance(store.commit(record, customer.profile, reserve), Committed)
        except StoreUnavailable:
            # If it was stored after all, a contact is held that nobody makes, until it lapses.
            return False

    def _read_again(self, asked: _Asked) -> Customer | None:
        try:
            return self._parts.store.read(asked.identifiers)
        except StoreUnavailable:
            return None


def offers_of(decision: Decision, catalogue: Catalogue) -> dict[str, Offer]:
    """Return the offers of the slate, as the catalogue has them, by id."""
    shown = {entry.offer: catalogue.offer(entry.offer) for entry in decision.slate}
    return {name: offer for name, offer in shown.items() if offer is not None}
