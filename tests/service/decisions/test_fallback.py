"""A half of what is in force that is too bad to serve falls back alone, and is told everywhere."""

import shutil
from pathlib import Path

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from structlog.testing import capture_logs
from throughline.v1 import common_pb2, policy_pb2, recommendation_pb2

from models.policy.schema import BUILT_IN, Holdout, Policy
from models.release.registry import Registry
from tests.support.damage import flip_a_bit
from tests.support.in_process import Running, enter_release, running
from tests.support.metrics_scrape import scrape, scraping
from tests.support.refusals import refused
from tests.support.waiting import eventually

pytestmark = pytest.mark.machine

ONE, TWO = (Policy(holdout=Holdout(share=share)) for share in (0.1, 0.2))
RELEASE, POLICY = common_pb2.FLAG_RELEASE_FALLBACK, common_pb2.FLAG_POLICY_FALLBACK
SERVICES = ("RecommendationService", "ReleaseService", "PolicyService")


def decided(live: Running) -> tuple[str, str, set[int]]:
    """Return the release and the policy of an answer, and which fallbacks it is flagged with."""
    answer = live.recommend("a")
    flags = {int(flag) for flag in answer.flags} & {RELEASE, POLICY}
    return answer.moment.release, answer.moment.policy, flags


def healthy(live: Running) -> list[bool]:
    """Return whether each of `SERVICES` serves."""
    live.server.update_health()
    asked = [health_pb2.HealthCheckRequest(service=f"throughline.v1.{name}") for name in SERVICES]
    serving = health_pb2.HealthCheckResponse.SERVING
    return [live.client.health(request, timeout=5).status == serving for request in asked]


def two_of_each(directory: Path) -> tuple[Registry, list[str]]:
    """Return a registry in which two releases and two policies were put in force, and their ids."""
    registry = Registry(directory / "registry")
    releases = [enter_release(registry.directory, seed=seed) for seed in (1, 2)]
    for release, policy in zip(releases, (ONE, TWO), strict=True):
        registry.promote(release, 1)
        registry.publish(policy, 1)
    return registry, releases


def test_a_damaged_release_falls_back_alone(tmp_path: Path) -> None:
    """At a start the release before decides under the policy in force, and all that tells says so.

    That is: every answer, health, the metrics and the log.
    """
    registry, (first, second) = two_of_each(tmp_path)
    flip_a_bit(registry.path(second), "popularity.npy")
    with capture_logs() as logs, running(tmp_path) as live, scraping(live) as port:
        assert decided(live) == (first, TWO.digest, {RELEASE})
        assert healthy(live) == [True, False, True]
        scraped = scrape(port)
        (line,) = [line for line in logs if line["event"] == "release fallback"]
        assert (line["in_force"], line["serving"]) == (second, first)
        decision = live.recommend("b").decision_id
        replay = recommendation_pb2.ReplayDecisionRequest(decision_id=decision)
        assert live.client.recommendations.ReplayDecision(replay).same
    labels = ("release", "policy", "release_in_force", "policy_in_force")
    named = scraped.figures("throughline_release_info", *labels)
    assert named == {(first, TWO.digest, second, TWO.digest): 1}
    assert scraped.figures("throughline_fallback_workers", "what") == {("release",): 1}
    assert scraped.figure("throughline_answer_flags_total", flag="release_fallback") == 1


def test_a_damaged_policy_falls_back_alone(tmp_path: Path) -> None:
    """At a start the policy before decides over the release in force, and all that tells says so.

    That is: every answer, health, the metrics and the log.
    """
    registry, (_, second) = two_of_each(tmp_path)
    registry.policy_path(TWO.digest).write_text("{}")
    with capture_logs() as logs, running(tmp_path) as live, scraping(live) as port:
        assert decided(live) == (second, ONE.digest, {POLICY})
        assert healthy(live) == [True, True, False]
        assert scrape(port).figures("throughline_fallback_workers", "what") == {("policy",): 1}
        (line,) = [line for line in logs if line["event"] == "policy fallback"]
        assert (line["in_force"], line["serving"]) == (TWO.digest, ONE.digest)
        told = refused(live, "PolicyService/GetPolicy", b"")
        assert (told.code, told.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "BAD_POLICY")


def test_the_good_half_of_a_new_pair_is_taken_over(tmp_path: Path) -> None:
    """Of a pair with a damaged release a server that is up takes the policy, again and again."""
    with running(tmp_path) as live:
        first = live.server.dependencies.active_release.release_id
        bad, good = (enter_release(live.registry.directory, seed=seed) for seed in (2, 3))
        flip_a_bit(live.registry.path(bad), "vocabulary.json")
        live.registry.promote(bad, 2)
        live.registry.publish(ONE, 3)
        assert eventually(lambda: decided(live) == (first, ONE.digest, {RELEASE}))
        assert healthy(live) == [True, False, True]
        live.registry.publish(TWO, 4)
        assert eventually(lambda: decided(live) == (first, TWO.digest, {RELEASE}))
        live.registry.promote(good, 7)
        assert eventually(lambda: decided(live) == (good, TWO.digest, set()))
        assert healthy(live) == [True, True, True]


def test_a_fallback_ends_when_what_serves_is_in_force(tmp_path: Path) -> None:
    """A rollback of the pointer to what serves already ends the fallback, without a swap."""
    registry, (first, second) = two_of_each(tmp_path)
    flip_a_bit(registry.path(second), "popularity.npy")
    registry.policy_path(TWO.digest).write_text("{}")
    with running(tmp_path) as live:
        assert decided(live) == (first, ONE.digest, {RELEASE, POLICY})
        registry.rollback(2)
        assert eventually(lambda: decided(live) == (first, ONE.digest, {POLICY}))
        registry.rollback_policy(3)
        assert eventually(lambda: decided(live) == (first, ONE.digest, set()))
        assert live.server.dependencies.active_release.release_swaps == 1


def test_what_is_mended_is_taken_over(tmp_path: Path) -> None:
    """A refused release or policy serves once its files are as they were, without a call."""
    registry, (first, second) = two_of_each(tmp_path)
    kept = shutil.copytree(registry.path(second), tmp_path / "kept")
    flip_a_bit(registry.path(second), "popularity.npy")
    registry.policy_path(TWO.digest).write_text("{}")
    with running(tmp_path) as live:
        assert decided(live) == (first, ONE.digest, {RELEASE, POLICY})
        registry.policy_path(TWO.digest).write_bytes(TWO.canonical + b"\n")
        assert eventually(lambda: decided(live) == (first, TWO.digest, {RELEASE}))
        shutil.copy(kept / "popularity.npy", registry.path(second) / "popularity.npy")
        assert eventually(lambda: decided(live) == (second, TWO.digest, set()))


def test_without_any_policy_nothing_decides(tmp_path: Path) -> None:
    """Where no policy of the history can be read nothing is said to anybody, until one is there."""
    registry, (_, second) = two_of_each(tmp_path)
    many = [Policy(holdout=Holdout(share=number / 100)) for number in range(1, 25)]
    for number, policy in enumerate(many):
        registry.publish(policy, number)
    for path in registry.policy_path("x").parent.iterdir():
        path.write_text("{}")
    with running(tmp_path) as live:
        request: Message = recommendation_pb2.RecommendRequest(channel="web")
        request.identifiers.add(namespace="loyalty", value="a")  # type: ignore[attr-defined]
        told = refused(live, "RecommendationService/Recommend", request)
        assert told.reason == "NO_RELEASE"
        assert healthy(live) == [False, True, False]
        publish = policy_pb2.PublishPolicyRequest(toml="[holdout]\nshare = 0.4\n")
        digest = live.client.policies.PublishPolicy(publish).digest
        assert eventually(lambda: live.server.dependencies.active_release.release_id == second)
        assert decided(live) == (second, digest, set())
        assert healthy(live) == [True, True, True]


def test_a_policy_waits_for_the_first_release(tmp_path: Path) -> None:
    """A policy published before any release decides from the first answer on."""
    with running(tmp_path, promoted=False) as live:
        publish = policy_pb2.PublishPolicyRequest(toml="[holdout]\nshare = 0.4\n")
        answer = live.client.policies.PublishPolicy(publish)
        assert (answer.previous_digest, answer.release_id) == (BUILT_IN.digest, "")
        live.registry.promote(enter_release(live.registry.directory), 1)
        assert eventually(lambda: bool(live.server.dependencies.active_release.release_id))
        assert live.recommend("a").moment.policy == answer.digest
