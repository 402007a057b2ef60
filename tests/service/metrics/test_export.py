"""The metrics of a real server say exactly what happened to it, and nothing about anybody."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from throughline.v1 import (
    customer_pb2,
    event_pb2,
    offer_pb2,
    policy_pb2,
    recommendation_pb2,
    release_pb2,
)

from models.domain.channels import CHANNELS
from models.domain.decisions import Flag
from models.domain.input.warnings import Warned
from models.domain.reasons import Reason
from models.errors import ThroughlineError
from models.policy.schema import BUILT_IN
from service.contract.status import FAILURE_KINDS, failure_kind
from service.metrics.answers import FLAGGED, PLAIN
from service.metrics.calls import OTHER, OUTCOMES
from service.metrics.events import OUTCOMES as EVENT_ENDS
from service.metrics.stage_timer import STAGES
from tests.support.damage import flip_a_bit
from tests.support.in_process import (
    Running,
    enter_release,
    event,
    loyalty,
    recommend_request,
    running,
)
from tests.support.metrics_scrape import CANARY, Scraped, scrape, scraping
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine

CONTRACT = {
    f"{service.name}/{method.name}"
    for module in (
        *(recommendation_pb2, event_pb2, customer_pb2, offer_pb2),
        *(release_pb2, policy_pb2),
    )
    for service in module.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
OF_GRPC = {"Health/Check", "Health/List", "Health/Watch", "ServerReflection/ServerReflectionInfo"}
CODES = {code.name for code in grpc.StatusCode}
REASONS = {kind.reason for kind in FAILURE_KINDS} | {""}


class Mix:
    """Makes calls, and keeps what the caller was told."""

    def __init__(self, live: Running) -> None:
        self.live = live
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.answers: Counter[tuple[str, str]] = Counter()
        self.flags: Counter[tuple[str, str]] = Counter()
        self.withheld: Counter[tuple[str]] = Counter()

    def call(self, method: str, request: Message | bytes) -> bytes:
        """Call a method, `Service/Method`; a refusal is counted, and b"" returned."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            answer = self.live.raw(method, data)
        except grpc.RpcError as error:
            self.calls[method, error.code().name, reason_of(error)] += 1
            return b""
        self.calls[method, "OK", ""] += 1
        return answer

    def recommend(self, *values: str, channel: str = "web", **more: object) -> None:
        """Ask for offers."""
        request = recommend_request(*values, channel=channel, **more)  # type: ignore[arg-type]
        answer = self.call("RecommendationService/Recommend", request)
        self.told(channel, recommendation_pb2.RecommendResponse.FromString(answer))

    def told(self, channel: str, answer: recommendation_pb2.RecommendResponse) -> None:
        """Keep what an answer says."""
        self.answers[channel, FLAGGED if answer.flags else PLAIN] += 1
        self.flags.update((channel, Flag(flag).name.lower()) for flag in answer.flags)
        self.withheld.update((Reason(gap.reason).name.lower(),) for gap in answer.withheld)


def reason_of(error: grpc.RpcError) -> str:
    """Return the reason in an error's ErrorInfo."""
    status = rpc_status.from_call(cast(grpc.Call, error))
    info = error_details_pb2.ErrorInfo()
    for packed in status.details if status is not None else ():
        if packed.Unpack(info):
            return str(info.reason)
    return ""


def make_calls(mix: Mix) -> None:
    """Make a call of every kind, most of them with a canary wherever a text may stand."""
    live = mix.live
    events = [
        event("e1", "L4711", item_id="item1"),
        event("e2", "L4711", "purchase", item_id="item2"),
        event("e1", "L4711", item_id="item1", time=event("e").time),
        event("e3", CANARY, item_id=CANARY, offer_id=CANARY, decision_id=CANARY, place=CANARY),
        event("e4", CANARY, CANARY),
        event("e5" * 200, CANARY),
        event("e6", CANARY, time={"seconds": 4_000_000_000}),
    ]
    events.append(events[0])
    mix.call("EventService/RecordEvents", event_pb2.RecordEventsRequest(events=events))
    mix.call("EventService/RecordEvents", event_pb2.RecordEventsRequest())

    for _ in range(3):
        mix.recommend("L4711")
    mix.recommend(CANARY, channel="app", count=100)
    mix.recommend("cold", channel="till", placement=CANARY, place=CANARY, exclude=["item:item3"])
    mix.recommend("L4711", channel="email", include=["item:item1", CANARY], count=2)
    mix.recommend("L4711", "other", channel="email", include=[CANARY])
    method = "RecommendationService/Recommend"
    for request in (
        recommend_request(CANARY, channel=CANARY),
        recommend_request(CANARY, intent=CANARY, count=-1),
        b"\xff\xff\xff" + CANARY.encode(),
    ):
        mix.call(method, request)
    batch = [recommend_request("L4711"), recommend_request(CANARY, channel=CANARY)]
    answer = recommendation_pb2.RecommendBatchResponse.FromString(
        mix.call(
            "RecommendationService/RecommendBatch",
            recommendation_pb2.RecommendBatchRequest(requests=batch),
        )
    )
    mix.told("web", answer.results[0].response)

    link = customer_pb2.LinkIdentifiersRequest(
        a=loyalty(CANARY), b=loyalty("b"), asserted_by=CANARY
    )
    mix.call("CustomerService/LinkIdentifiers", link)
    unlink = customer_pb2.UnlinkIdentifiersRequest(
        a=loyalty(CANARY), b=loyalty("b"), asserted_by=CANARY
    )
    mix.call("CustomerService/UnlinkIdentifiers", unlink)
    customer = customer_pb2.GetCustomerRequest(identifiers=[loyalty(CANARY)])
    mix.call("CustomerService/GetCustomer", customer)
    mix.call("OfferService/GetOffer", offer_pb2.GetOfferRequest(offer_id=CANARY))
    item = offer_pb2.Item(item_id=CANARY, title=CANARY)
    mix.call("OfferService/UpsertItems", offer_pb2.UpsertItemsRequest(items=[item]))
    mix.call("ReleaseService/RollbackRelease", release_pb2.RollbackReleaseRequest())
    bad = enter_release(live.registry.directory, seed=2)
    flip_a_bit(live.registry.path(bad), "item_vectors.npy")
    mix.call("ReleaseService/PromoteRelease", release_pb2.PromoteReleaseRequest(release_id=bad))
    mix.call(f"{CANARY}/{CANARY}", b"")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mix, Scraped]]:
    """A server that answered a mix of calls, and what it then exports."""
    with running(tmp_path_factory.mktemp("metrics")) as live, scraping(live) as port:
        mix = Mix(live)
        make_calls(mix)
        stored = 'throughline_decision_records_total{outcome="stored"} 8.0'
        assert eventually(lambda: stored in scrape(port).text)
        yield mix, scrape(port)


def test_calls_are_counted_by_method_code_and_reason(made: tuple[Mix, Scraped]) -> None:
    """Every call is counted as its caller saw it end; of a method that is not ours as `other`."""
    mix, scraped = made
    wanted = dict(mix.calls)
    wanted[OTHER, "UNIMPLEMENTED", ""] = wanted.pop((f"{CANARY}/{CANARY}", "UNIMPLEMENTED", ""))
    assert scraped.figures("throughline_calls_total", "method", "code", "reason") == wanted
    codes = {code for _, code, _ in wanted}
    assert codes >= {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION"}


def test_every_call_is_measured(made: tuple[Mix, Scraped]) -> None:
    """The latency of a method has as many observations as the method had calls."""
    mix, scraped = made
    wanted: Counter[tuple[str]] = Counter()
    for (method, _, _), number in mix.calls.items():
        wanted[(method,)] += number
    del wanted[(f"{CANARY}/{CANARY}",)]
    assert scraped.figures("throughline_call_duration_seconds_count", "method") == dict(wanted)
    total = scraped.figure(
        "throughline_call_duration_seconds_sum", method="RecommendationService/Recommend"
    )
    assert 0 < total < 60


def test_answers_are_counted_by_kind(made: tuple[Mix, Scraped]) -> None:
    """Answers, their flags and what they withheld are counted as they were told."""
    mix, scraped = made
    assert scraped.figures("throughline_answers_total", "channel", "outcome") == dict(mix.answers)
    flags = scraped.figures("throughline_answer_flags_total", "channel", "flag")
    assert flags == dict(mix.flags)
    assert {flag for _, flag in flags} >= {"cold_start", "fewer_than_asked", "none_eligible"}
    assert scraped.figures("throughline_withheld_offers_total", "reason") == dict(mix.withheld)
    assert scraped.figure("throughline_refused_batch_requests_total") == 1
    assert set(mix.withheld) >= {("purchased",), ("excluded",), ("not_included",)}


def test_every_stage_of_every_answer_is_measured(made: tuple[Mix, Scraped]) -> None:
    """Each stage has one observation for each answer, and all are within the calls' time."""
    mix, scraped = made
    counts = scraped.figures("throughline_stage_duration_seconds_count", "stage")
    assert counts == {(stage,): mix.answers.total() for stage in STAGES}
    stages = scraped.figure("throughline_stage_duration_seconds_sum")
    calls = sum(
        scraped.figure(
            "throughline_call_duration_seconds_sum", method=f"RecommendationService/{name}"
        )
        for name in ("Recommend", "RecommendBatch")
    )
    assert 0 < stages < calls


def test_events_are_counted_by_outcome(made: tuple[Mix, Scraped]) -> None:
    """Each event is counted by what became of it, and a refused one by why."""
    _, scraped = made
    assert scraped.figures("throughline_events_total", "outcome", "reason") == {
        ("stored", ""): 3,
        ("duplicate", ""): 1,
        ("conflict", ""): 1,
        ("refused", "unknown"): 1,
        ("refused", "too_long"): 1,
        ("refused", "in_the_future"): 1,
    }
    assert scraped.figure("throughline_unresolved_events_total") == 1


def test_catalogue_release_and_process_are_told(made: tuple[Mix, Scraped]) -> None:
    """The release in force, its refusals and swaps, the catalogue and the process are there."""
    mix, scraped = made
    runtime = mix.live.server.dependencies.active_release
    release, policy = runtime.release_id, runtime.snapshot.policy.digest
    labels = ("release", "policy", "release_in_force", "policy_in_force")
    named = scraped.figures("throughline_release_info", *labels)
    assert named == {(release, policy, release, policy): 1}
    assert scraped.figures("throughline_fallback_workers", "what") == {}
    assert scraped.figure("throughline_policy_swaps_total") == 0
    assert scraped.figure("throughline_policy_refusals_total") == 0
    assert scraped.figure("throughline_release_swaps_total") == 1
    assert scraped.figure("throughline_release_refusals_total") == 1
    assert scraped.figure("throughline_catalogue_revision") == runtime.snapshot.catalogue.revision
    assert 0 <= scraped.figure("throughline_catalogue_age_seconds") < 30
    assert scraped.figure("throughline_decision_records_total", outcome="stored") == 8
    assert scraped.figure("throughline_decision_records_queued") == 0
    assert scraped.figure("throughline_workers") == 1
    assert scraped.figure("throughline_worker_resident_memory_bytes") > 1 << 20
    assert scraped.figure("process_open_fds") > 0


def test_label_sets_are_closed(made: tuple[Mix, Scraped]) -> None:
    """Every label of every series is of a set that is known before the first call."""
    mix, scraped = made
    allowed = {
        "method": CONTRACT | OF_GRPC | {OTHER},
        "code": CODES,
        "stage": set(STAGES),
        "channel": {*CHANNELS, OTHER},
        "flag": {flag.name.lower() for flag in Flag},
        "kind": {"no_answer", "refused", "rubbish", "not_asked"},
        "release": {mix.live.server.dependencies.active_release.release_id},
        "policy": {BUILT_IN.digest},
        "what": {"release", "policy"},
        "warning": {warned.name.lower() for warned in Warned},
    }
    allowed |= {f"{name}_in_force": allowed[name] for name in ("release", "policy")}
    of_metric = {
        "throughline_calls": {"reason": REASONS},
        "throughline_events": {
            "outcome": {outcome for outcome, _ in EVENT_ENDS},
            "reason": {reason for _, reason in EVENT_ENDS},
        },
        "throughline_answers": {"outcome": {PLAIN, FLAGGED}},
        "throughline_withheld_offers": {"reason": {reason.name.lower() for reason in Reason}},
        "throughline_decision_records": {"outcome": {"stored", "spilled", "dropped"}},
    }
    for name, family in scraped.families.items():
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label != "le":
                    known = of_metric.get(name, {}).get(label) or allowed[label]
                    assert value in known, (name, label, value)
    methods = {sample.labels.get("method") for sample in scraped.samples} - {None}
    assert methods == CONTRACT | OF_GRPC | {OTHER}


def test_series_are_there_from_the_start(tmp_path: Path) -> None:
    """A server that has answered nothing exports every end of every method, at 0; 2,000 at most."""
    with running(tmp_path) as live, scraping(live) as port:
        scraped = scrape(port)
    there = {
        (sample.labels["method"], sample.labels["code"], sample.labels["reason"])
        for sample in scraped.samples
        if sample.name == "throughline_calls_total"
    }
    wanted = {
        (method, code.name, reason) for method in CONTRACT | OF_GRPC for code, reason in OUTCOMES
    }
    assert there == wanted | {(OTHER, "UNIMPLEMENTED", "")}
    assert scraped.figures("throughline_calls_total", "method") == {}
    assert len(scraped.samples) <= 2_000


def test_nothing_of_a_request_is_exported(made: tuple[Mix, Scraped]) -> None:
    """No text that a caller sent, and no customer's id, is anywhere in what is exported."""
    mix, scraped = made
    parts = mix.live.server.dependencies
    known = customer_pb2.GetCustomerRequest(identifiers=[loyalty("L4711"), loyalty(CANARY)])
    answer = mix.live.client.customers.GetCustomer(known, timeout=PATIENCE)
    assert parts.store.counts().records["stored"] == 8
    for text in (CANARY, "L4711", "item:", "coupon", answer.customer_id):
        assert text not in scraped.text


UNITS = {"seconds", "bytes", "info", "queued", "revision", "workers", "epoch"}


def test_every_metric_says_what_it_is(made: tuple[Mix, Scraped]) -> None:
    """Each metric has a sentence of help and a name that ends in its unit."""
    _, scraped = made
    ours = [name for name in scraped.families if name.startswith("throughline_")]
    assert len(ours) == 31
    for name in ours:
        family = scraped.families[name]
        assert family.documentation.endswith(".")
        if family.type == "counter":
            assert f"# TYPE {name}_total counter" in scraped.text
        else:
            unit = name.rpartition("_")[2]
            assert unit in UNITS or any(verb in name for verb in ("_is_", "_refuses_"))


def test_every_error_has_a_reason_of_the_closed_list() -> None:
    """Whatever error of ours there is, its kind is one that is counted."""

    def below(type_: type[ThroughlineError]) -> Iterator[type[ThroughlineError]]:
        yield type_
        for child in type_.__subclasses__():
            yield from below(child)

    for type_ in below(ThroughlineError):
        assert failure_kind(type_.__new__(type_)) in FAILURE_KINDS
    assert {(kind.code, kind.reason) for kind in FAILURE_KINDS} < set(OUTCOMES)
