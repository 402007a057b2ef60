"""A policy that is published decides on every channel, and its caps hold whoever asks."""

import shutil
from pathlib import Path

import pytest
from throughline.v1 import common_pb2, recommendation_pb2
from typer.testing import CliRunner

from models.domain.selectors import Selector
from models.errors import BadRelease
from models.policy.schema import (
    BUILT_IN,
    Cap,
    Contact,
    Eligibility,
    Exploration,
    IntentRule,
    Placement,
    Policy,
)
from models.release.histories import POINTER
from models.release.registry import Registry
from service.cli import app
from tests.support.in_process import Running, enter_release, event, recommend_request, running
from tests.support.waiting import Pool, eventually

pytestmark = pytest.mark.machine

KEY = "ab" * 32  # every service of a shared store has the same
WEEKLY = Policy(contact=Contact(caps=(Cap(name="weekly", limit=1, days=7, channels=("email",)),)))


def publish(live: Running, policy: Policy) -> None:
    """Publish a policy as another process would, and wait until it decides."""
    live.registry.publish(policy, 2)
    assert eventually(lambda: live.server.dependencies.active_release.snapshot.policy == policy)


def reasons(answer: recommendation_pb2.RecommendResponse) -> set[tuple[str, str]]:
    """Return the reasons and rules of what was withheld."""
    name = recommendation_pb2.WithholdReason.Name
    return {(name(gap.reason), gap.rule) for gap in answer.withheld}


def test_a_published_policy_decides_without_a_call(tmp_path: Path) -> None:
    """Published beside a running service it is in force soon, and its digest in every answer."""
    with running(tmp_path) as live:
        before = live.recommend("a", count=100)
        assert before.moment.policy == BUILT_IN.digest
        first = before.offers[0].offer_id
        policy = Policy(
            intents={"win_back": IntentRule(like="discovery")},
            placements={"hero": Placement(intent="win_back", count=2)},
            eligibility=(Eligibility(name="not", about=Selector(offers=(first,)), bar=True),),
        )
        publish(live, policy)
        after = live.recommend("a", count=100)
        assert after.moment.policy == policy.digest
        assert after.moment.release == before.moment.release
        assert first not in {offer.offer_id for offer in after.offers}
        hero = live.recommend("a", count=0, placement="hero")
        assert (len(hero.offers), hero.moment.intent) == (2, "win_back")
        second = enter_release(live.registry.directory, seed=2)
        live.registry.promote(second, 3)
        assert eventually(lambda: live.recommend("a", count=1).moment.release == second)
        assert live.recommend("a", count=1).moment.policy == policy.digest
        live.registry.rollback(4)
        assert eventually(lambda: live.recommend("a", count=1).moment.release != second)
        assert live.recommend("a", count=1).moment.policy == policy.digest
        live.registry.rollback_policy(5)
        assert eventually(lambda: live.recommend("a").moment.policy == BUILT_IN.digest)


def test_a_cap_is_reserved_before_anything_is_sent(tmp_path: Path) -> None:
    """The second message of a week is withheld by name, told or not, and other channels go on."""
    with running(tmp_path) as live:
        publish(live, WEEKLY)
        first = live.recommend("a", channel="email")
        assert first.offers
        second = live.recommend("a", channel="email")
        assert not second.offers
        assert reasons(second) == {("WITHHOLD_REASON_CAPPED", "weekly")}
        assert common_pb2.FLAG_NONE_ELIGIBLE in second.flags
        assert live.recommend("a", channel="web").offers
        assert live.recommend("b", channel="email").offers
        sent = event("s1", "a", "sent", channel="email", decision_id=first.decision_id)
        assert live.record(sent).results[0].outcome.code == 0
        assert not live.recommend("a", channel="email").offers


def test_who_asks_at_once_does_not_get_twice(tmp_path: Path, store_url: str) -> None:
    """Of many callers at one moment as many get a message as the cap allows, over either store."""
    policy = Policy(
        contact=Contact(caps=(Cap(name="three", limit=3, days=7, channels=("email", "sms")),))
    )
    with (
        running(tmp_path, store=store_url, key=KEY, redis_timeout=30.0) as live,
        Pool(8) as callers,
    ):
        publish(live, policy)
        channels = ["email", "sms", "web"] * 8
        answers = list(callers.map(lambda channel: live.recommend("a", channel=channel), channels))
    got = [
        channel
        for channel, answer in zip(channels, answers, strict=True)
        if answer.offers and channel != "web"
    ]
    assert len(got) == 3
    assert all(answer.offers for answer in answers[2::3])


def test_without_the_store_no_hard_cap_lets_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the customer cannot be read, capped channels get nothing and the others an answer."""
    with running(tmp_path) as live:
        publish(live, WEEKLY)

        def away(*_: object) -> None:
            from models.errors import StoreUnavailable

            raise StoreUnavailable("away")

        monkeypatch.setattr(live.server.dependencies.store, "read", away)
        capped = live.recommend("a", channel="email")
        assert not capped.offers
        assert reasons(capped) == {("WITHHOLD_REASON_CAPPED", "weekly")}
        assert live.recommend("a", channel="web").offers
        batch = recommendation_pb2.RecommendBatchRequest(
            requests=[recommend_request("a", channel=channel) for channel in ("email", "web")]
        )
        email, web = live.client.recommendations.RecommendBatch(batch).results
        assert not email.response.offers
        assert web.response.offers


def test_a_damaged_policy_is_refused(tmp_path: Path) -> None:
    """A policy whose file was changed, or is not there, is refused and the one before decides."""
    with running(tmp_path) as live:
        path = live.registry.policy_path(WEEKLY.digest)
        Registry(tmp_path / "other").publish(WEEKLY, 2)
        path.parent.mkdir()
        path.write_text("{}")
        shutil.copy(tmp_path / "other" / POINTER, live.registry.directory / "pointer.new")
        # As no command would: it names a damaged policy, and no release.
        (live.registry.directory / "pointer.new").rename(live.registry.directory / POINTER)
        with pytest.raises(BadRelease, match="digest mismatch"):
            live.registry.policy(WEEKLY.digest)
        with pytest.raises(BadRelease, match="not in the registry"):
            live.registry.policy("0" * 64)
        assert eventually(lambda: live.refused == ("", WEEKLY.digest))
        assert live.recommend("a").moment.policy == BUILT_IN.digest


def test_a_policy_is_found_by_its_digest(tmp_path: Path) -> None:
    """What is in force says the digest that its pointer names, whole numbers in code or not."""
    registry = Registry(tmp_path)
    registry.promote(enter_release(tmp_path), 1)
    pointer = registry.publish(Policy(exploration=Exploration(temperature=1)), 2)
    found = registry.policy(pointer.policy)
    assert found.digest == pointer.policy
    assert found.exploration.temperature == 1.0


def test_the_commands_check_publish_and_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A policy goes from its file into force by commands, and what is wrong is told by line."""
    monkeypatch.chdir(tmp_path)
    registry = Registry(tmp_path / "registry")
    registry.promote(enter_release(registry.directory), 1)
    (tmp_path / "good.toml").write_text("[holdout]\nshare = 0.1\n")
    (tmp_path / "bad.toml").write_text("[holdout]\nshare = 2\n")
    run = CliRunner().invoke
    bad = run(app, ["policy", "check", "bad.toml"])
    assert (bad.exit_code, bad.stderr) == (65, "bad.toml:2: holdout.share: want 0 to 0.5\n")
    assert run(app, ["policy", "publish", "bad.toml", "--registry", "registry"]).exit_code == 65
    assert registry.pointer().policy == BUILT_IN.digest
    good = run(app, ["policy", "publish", "good.toml", "--registry", "registry"])
    assert good.exit_code == 0
    present = registry.pointer()
    assert good.stdout == (
        f"Release: {present.release[:12]} (unchanged)\n"
        f"Policy:  {present.policy[:12]} (before: {BUILT_IN.digest[:12]})\n"
    )
    shown = run(app, ["policy", "show", "--registry", "registry"])
    assert '"share": 0.1' in shown.stdout
    assert '"Policy"' in run(app, ["policy", "schema"]).stdout
