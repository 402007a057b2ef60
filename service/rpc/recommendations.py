"""RecommendationService: reads the customer, decides, records the decision, answers."""

import hashlib
from math import inf

import grpc
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceServicer

from models.decision.inputs import SharedInputs
from models.decision.offer_check import check_offer as holds
from models.decision.offer_check import replacement_request
from models.decision.replay import replay
from models.domain.decisions import DecisionRecord
from models.errors import BadInput, StoreUnavailable, ThroughlineError, Unreadable
from models.explanation.explain import explain
from models.policy.schema import Policy
from service.contract import limits
from service.contract.common_messages import fill_money
from service.contract.errors import NoLongerServed, NotFound
from service.contract.event_messages import INVALID
from service.contract.explanation_messages import fill
from service.contract.recommendation_messages import answer, request_of
from service.contract.status import kind_of
from service.contract.validation import Check
from service.decisions.decider import Asked, Decider
from service.decisions.replayer import difference
from service.metrics.stage_timer import Laps
from service.rpc.dependencies import Parts
from service.store.commits import RequestKey
from service.store.store import Customer

# Seconds: a caller with less time than that does not make a store that answers look dead.
LEAST_PATIENCE = 0.02


class Recommendations(RecommendationServiceServicer):
    """Decides with one function, whoever asks, and says why and whether it still holds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._decider = Decider(parts.store, parts.clock, parts.volumes)

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
        _still_served(record, world)
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
        response = pb.CheckOfferResponse(holds=found.exclusion is None)
        if found.exclusion is not None:
            response.reason = int(found.exclusion.reason)  # type: ignore[assignment]
            response.rule = found.exclusion.rule
        if found.price is not None:
            fill_money(response.price, found.price)
        if found.told is not None:
            fill_money(response.told_price, found.told)
        if found.exclusion is not None:
            asked = Asked(
                replacement_request(record.request, request.channel, place), [record.customer]
            )
            self._decide(response.alternative, asked, world, customer, Laps())
        return response

    def ReplayDecision(  # noqa: N802
        self, request: pb.ReplayDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDecisionResponse:
        """Decide again from a record, and compare every byte."""
        check = Check()
        check.id("decision_id", request.decision_id)
        check.done()
        record = self._record(request.decision_id)
        world = self._parts.runtime.serving.world()
        _still_served(record, world)
        again = replay(record, world.index.release, world.policy)
        differs = difference(record.decision, again)
        response = pb.ReplayDecisionResponse(same=not differs, differs=differs)
        answer(response.answer, record.id, again, record.rows)
        return response

    def _record(self, decision_id: str) -> DecisionRecord:
        """Return a decision's record; raises `NotFound`."""
        record = self._parts.store.decision(decision_id)
        if record is None:
            raise NotFound("decision_id: not found")
        return record

    def _asked(self, check: Check, message: pb.RecommendRequest, policy: Policy) -> Asked:
        identifiers = check.identifiers(message.identifiers, self._parts.names.namespaces)
        request = request_of(check, message, self._parts.names, policy)
        name = check.id("request_id", message.request_id, required=False)
        if name and message.dry_run:
            check.fail("request_id", "with dry_run, which keeps nothing")
        if check.violations:
            return Asked(request, [])
        hashes = self._parts.hashes(identifiers)
        digest = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16)
        key = RequestKey(hashes[0], name, digest.digest()) if name else None
        return Asked(request, hashes, key, message.dry_run)

    def _read(self, asked: Asked, context: grpc.ServicerContext) -> Customer:
        """Return the customer; raises `StoreUnavailable`, while there is time for an answer."""
        left = context.time_remaining()
        patience = inf if left is None else max(LEAST_PATIENCE, left / 2)
        return self._parts.store.read(asked.identifiers, patience)

    def _decide(
        self,
        response: pb.RecommendResponse,
        asked: Asked,
        world: SharedInputs,
        customer: Customer | None,
        laps: Laps,
    ) -> None:
        record = self._decider.decide(asked, world, customer, laps)
        answer(response, record.id, record.decision, record.rows)
        laps.end("answer")
        if not asked.dry:
            self._parts.metrics.answers.add(asked.request.channel, record.decision, laps)


def _still_served(record: DecisionRecord, world: SharedInputs) -> None:
    moment = record.decision.moment
    if (moment.release, moment.policy) != (world.index.release.id, world.policy.digest):
        raise NoLongerServed(moment.release)
