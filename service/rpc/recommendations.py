"""RecommendationService: reads the customer, decides, records the decision, answers."""

import hashlib

import grpc
from msgspec.structs import replace
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceServicer

from models.decision.inputs import SharedInputs
from models.decision.offer_check import check_offer, replacement_request, told_price
from models.decision.replay import replay
from models.domain.decisions import DecisionRecord, Request
from models.domain.identifiers import Identifier
from models.errors import BadInput, StoreUnavailable, ThroughlineError, Unreadable
from models.explanation.explain import explain
from models.policy.schema import Policy
from service.contract import limits
from service.contract.common_messages import fill_money
from service.contract.errors import NoLongerServed, NotFound
from service.contract.event_messages import INVALID_ARGUMENT
from service.contract.explanation_messages import fill_explanation
from service.contract.recommendation_messages import fill_answer, read_request
from service.contract.status import code_number, failure_kind, told
from service.contract.validation import Check
from service.decisions.decider import Decider, DecisionCall
from service.decisions.replayer import difference
from service.metrics.stage_timer import StageTimer
from service.rpc.call_context import Parts, next_part
from service.rpc.dependencies import Dependencies
from service.store.commits import RequestKey
from service.store.customers.customer_lookup import CustomerLookup

# A call with a very short deadline must not make a store that answers look dead.
MIN_READ_SECONDS = 0.02


class RecommendationServicer(RecommendationServiceServicer):
    """Answers `Recommend` and `RecommendBatch`, and everything about decisions made."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies
        self._decider = Decider(dependencies.store, dependencies.clock, dependencies.volumes)

    def Recommend(  # noqa: N802
        self, request: pb.RecommendRequest, context: grpc.ServicerContext
    ) -> pb.RecommendResponse:
        """Decide for one customer."""
        timer = StageTimer()
        check = Check()
        snapshot = self._dependencies.active_release.snapshot
        call = self._read_call(check, request, snapshot.policy)
        check.raise_if_invalid()
        timer.end("parse")
        shared = snapshot.shared_inputs()
        response = pb.RecommendResponse()
        try:
            customer = self._read(call)
        except StoreUnavailable:
            customer = None
        timer.end("read")
        self._decide(response, call, shared, customer, timer)
        return response

    def RecommendBatch(  # noqa: N802
        self, request: pb.RecommendBatchRequest, context: grpc.ServicerContext
    ) -> pb.RecommendBatchResponse:
        """Decide for many customers, one outcome each."""
        check = Check()
        check.size("requests", request.requests, limits.BATCH, minimum=1)
        check.raise_if_invalid()
        shared = self._dependencies.active_release.snapshot.shared_inputs()
        response = pb.RecommendBatchResponse()
        away = False
        size = 0
        parts = Parts(context)
        for message in request.requests:
            result = response.results.add()
            if size > limits.BATCH_BYTES:
                result.outcome.code = code_number(grpc.StatusCode.RESOURCE_EXHAUSTED)
                result.outcome.detail = "answer: full; not decided, ask again"
                continue
            if not parts.another():
                result.outcome.code = code_number(grpc.StatusCode.DEADLINE_EXCEEDED)
                result.outcome.detail = "deadline: too short; not decided, ask again"
                continue
            timer = StageTimer()
            check = Check()
            call = self._read_call(check, message, shared.policy)
            if check.violations:
                result.outcome.code = INVALID_ARGUMENT
                result.outcome.detail = str(check.violations[0])
                self._dependencies.metrics.answers.count_refusal()
                continue
            timer.end("parse")
            customer = None
            result.outcome.SetInParent()
            try:
                # One wait for a store that is away is enough for all two hundred.
                customer = None if away else self._read(call)
            except StoreUnavailable as error:
                away = not isinstance(error, Unreadable)
            timer.end("read")
            try:
                self._decide(result.response, call, shared, customer, timer)
            except ThroughlineError as error:
                result.ClearField("response")
                result.outcome.code = failure_kind(error).code.value[0]
                result.outcome.detail = told(error)
            size += result.ByteSize()
        return response

    def ExplainDecision(  # noqa: N802
        self, request: pb.ExplainDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ExplainDecisionResponse:
        """Explain one offer of a decision, shown or not."""
        check = Check()
        check.id("decision_id", request.decision_id)
        check.id("offer_id", request.offer_id)
        check.raise_if_invalid()
        record = self._record(request.decision_id)
        shared = self._dependencies.active_release.snapshot.shared_inputs()
        _still_served(record, shared)
        response = pb.ExplainDecisionResponse()
        fill_explanation(
            response,
            explain(record, shared, request.offer_id, lambda: next_part(context)),
            shared.index.catalogue,
        )
        return response

    def CheckOffer(  # noqa: N802
        self, request: pb.CheckOfferRequest, context: grpc.ServicerContext
    ) -> pb.CheckOfferResponse:
        """Check whether an offer holds for who comes for it, and decide again where it does not."""
        check = Check()
        identifiers: list[Identifier] = []
        if request.identifiers:
            if request.decision_id:
                check.add_violation("identifiers", "beside decision_id, which says whose it is")
            identifiers = check.identifiers(request.identifiers, self._dependencies.names)
        else:
            check.id("decision_id", request.decision_id)
        check.id("offer_id", request.offer_id)
        check.name("channel", request.channel, self._dependencies.names.channels)
        check.text("place", request.place, limits.PLACE_BYTES)
        check.raise_if_invalid()
        told = None
        asked = wanted = Request(channel=request.channel, place=request.place, count=1)
        hashes = self._dependencies.hashes(identifiers)
        if not identifiers:
            record = self._record(request.decision_id)
            if request.offer_id not in {shown.offer for shown in record.decision.slate}:
                raise BadInput("offer_id", "not shown by this decision")
            told = told_price(record, request.offer_id)
            asked = replacement_request(record.request, record.request.channel, request.place)
            wanted = replace(asked, channel=request.channel)
            # Who asked then, as they are now: parted from whom they were taken for, too.
            hashes = [record.asked or record.customer]
        shared = self._dependencies.active_release.snapshot.shared_inputs()
        customer = self._dependencies.store.read(hashes)
        now = self._dependencies.clock.now()
        checked = check_offer(request.offer_id, customer.profile, shared, asked, now, told)
        response = pb.CheckOfferResponse(holds=checked.exclusion is None)
        if checked.exclusion is not None:
            response.reason = int(checked.exclusion.reason)  # type: ignore[assignment]
            response.rule = checked.exclusion.rule
        if checked.price is not None:
            fill_money(response.price, checked.price)
        if checked.told is not None:
            fill_money(response.told_price, checked.told)
        if checked.exclusion is not None:
            call = DecisionCall(wanted, hashes)
            self._decide(response.alternative, call, shared, customer, StageTimer())
        return response

    def ReplayDecision(  # noqa: N802
        self, request: pb.ReplayDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDecisionResponse:
        """Decide again from a record, and compare every byte."""
        check = Check()
        check.id("decision_id", request.decision_id)
        check.raise_if_invalid()
        record = self._record(request.decision_id)
        shared = self._dependencies.active_release.snapshot.shared_inputs()
        _still_served(record, shared)
        replayed = replay(record, shared.index.release, shared.policy)
        differs = difference(record.decision, replayed)
        response = pb.ReplayDecisionResponse(same=not differs, differs=differs)
        fill_answer(response.answer, record.id, replayed, record.rows)
        return response

    def _record(self, decision_id: str) -> DecisionRecord:
        """Return a decision's record; raises `NotFound`."""
        record = self._dependencies.store.decision(decision_id)
        if record is None:
            raise NotFound("decision_id: not found")
        return record

    def _read_call(
        self, check: Check, message: pb.RecommendRequest, policy: Policy
    ) -> DecisionCall:
        identifiers = check.identifiers(message.identifiers, self._dependencies.names)
        request = read_request(check, message, self._dependencies.names, policy)
        name = check.id("request_id", message.request_id, required=False)
        if name and message.dry_run:
            check.add_violation("request_id", "with dry_run, which keeps nothing")
        if check.violations:
            return DecisionCall(request, [])
        hashes = self._dependencies.hashes(identifiers)
        digest = hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16)
        key = RequestKey(hashes[0], name, digest.digest()) if name else None
        return DecisionCall(request, hashes, key, message.dry_run)

    def _read(self, call: DecisionCall) -> CustomerLookup:
        """Return the customer; raises `StoreUnavailable` while there is still time to decide."""
        store = self._dependencies.store
        return store.read(call.identifiers, max(MIN_READ_SECONDS, store.time_left() / 2))

    def _decide(
        self,
        response: pb.RecommendResponse,
        call: DecisionCall,
        shared: SharedInputs,
        customer: CustomerLookup | None,
        timer: StageTimer,
    ) -> None:
        record = self._decider.decide(call, shared, customer, timer)
        fill_answer(response, record.id, record.decision, record.rows)
        timer.end("answer")
        if not call.dry_run:
            self._dependencies.metrics.answers.add(call.request.channel, record.decision, timer)


def _still_served(record: DecisionRecord, shared: SharedInputs) -> None:
    """Raise `NoLongerServed` where another release, or another policy, is in force now."""
    moment = record.decision.moment
    if moment.release != shared.index.release.id:
        raise NoLongerServed("release", moment.release)
    if moment.policy != shared.policy.digest:
        raise NoLongerServed("policy", moment.policy)
