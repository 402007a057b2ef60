"""RecommendationService: reads the customer, decides, records the decision, answers."""

from math import inf
from typing import NamedTuple

import grpc
import msgspec
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceServicer

from models.catalogue import Catalogue, Offer
from models.codec import encode
from models.decide import World, decide
from models.decision import Decision, Flag, Record, Request
from models.errors import StoreUnavailable, Unreadable
from models.given import rows_used
from models.index import OfferIndex
from models.policy import Policy
from models.profile import Profile
from service import limits
from service.decision_messages import answer, request_of
from service.event_messages import INVALID
from service.metrics.answers import Laps
from service.parts import Parts
from service.store import Customer
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
        asked = self._asked(check, request)
        check.done()
        laps.end("parse")
        index, policy = self._parts.runtime.index()
        response = pb.RecommendResponse()
        try:
            customer = self._read(asked, context)
        except StoreUnavailable:
            customer = None
        laps.end("read")
        self._decide(response, asked, index, policy, customer, laps)
        return response

    def RecommendBatch(  # noqa: N802
        self, request: pb.RecommendBatchRequest, context: grpc.ServicerContext
    ) -> pb.RecommendBatchResponse:
        """Decide for many customers, one outcome each."""
        check = Check()
        check.size("requests", request.requests, limits.BATCH, least=1)
        check.done()
        index, policy = self._parts.runtime.index()
        response = pb.RecommendBatchResponse()
        away = False
        for message in request.requests:
            result = response.results.add()
            laps = Laps()
            check = Check()
            asked = self._asked(check, message)
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
            self._decide(result.response, asked, index, policy, customer, laps)
        return response

    def _asked(self, check: Check, message: pb.RecommendRequest) -> _Asked:
        identifiers = check.identifiers(message.identifiers, self._parts.names.namespaces)
        request = request_of(check, message, self._parts.names)
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
        index: OfferIndex,
        policy: Policy,
        customer: Customer | None,
        laps: Laps,
    ) -> None:
        parts = self._parts
        flags = parts.flags(customer is not None and customer.disagree)
        if customer is None:
            flags.append(Flag.STATE_UNAVAILABLE)
        profile = Profile(customer=asked.identifiers[0]) if customer is None else customer.profile
        now = parts.clock.now()
        decision = decide(profile, World(index, policy), asked.request, now)
        decision = msgspec.structs.replace(decision, flags=tuple(sorted({*decision.flags, *flags})))
        laps.end("decide")
        offers = offers_of(decision, index.catalogue)
        record = Record(
            id=parts.store.new_decision_id(profile.customer, now),
            customer=profile.customer,
            time=now,
            request=asked.request,
            profile=encode(profile) if customer is None else customer.blob,
            decision=decision,
            rows=rows_used(decision, index.catalogue, asked.request.place),
        )
        parts.store.commit(record)
        laps.end("record")
        answer(response, record.id, decision, offers)
        laps.end("answer")
        parts.metrics.answers.add(asked.request.channel, decision, laps)


def offers_of(decision: Decision, catalogue: Catalogue) -> dict[str, Offer]:
    """Return the offers of the slate, as the catalogue has them, by id."""
    shown = {entry.offer: catalogue.offer(entry.offer) for entry in decision.slate}
    return {name: offer for name, offer in shown.items() if offer is not None}
