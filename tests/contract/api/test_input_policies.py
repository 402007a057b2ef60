"""Policies that must not be published, over the wire: what each case must be told.

| input | answer |
|---|---|
| no text, too much text | INVALID_ARGUMENT with the limit |
| text that is no TOML, unknown keys, wrong values | INVALID_ARGUMENT with each key and line |
| more mistakes than a status can carry | INVALID_ARGUMENT with the first; CheckPolicy tells more |
| a policy by which nothing can be decided | FAILED_PRECONDITION with a reference to the log |
| a digest that is too short, unknown, or none | INVALID_ARGUMENT, NOT_FOUND |
| rollback with nothing before, or to a damaged one | FAILED_PRECONDITION |
"""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from throughline.v1 import policy_pb2

from models.policy.schema import BUILT_IN
from models.policy.toml_file import BYTES, MISTAKES, BadPolicy, read_policy
from service.contract import limits
from service.decisions import preparation
from tests.support.in_process import Running, running
from tests.support.refusals import INVALID, Refusal, refused, wrong

pytestmark = pytest.mark.machine

GET, CHECK = "PolicyService/GetPolicy", "PolicyService/CheckPolicy"
PUBLISH, ROLLBACK = "PolicyService/PublishPolicy", "PolicyService/RollbackPolicy"
UNMET = grpc.StatusCode.FAILED_PRECONDITION
GOOD = "[holdout]\nshare = 0.1\n"


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Running]:
    """A server of each test alone."""
    with running(tmp_path) as started:
        yield started


def checked(live: Running, toml: str) -> policy_pb2.CheckPolicyResponse:
    """Check a policy over the wire."""
    return live.client.policies.CheckPolicy(policy_pb2.CheckPolicyRequest(toml=toml))


def published(live: Running, toml: str) -> policy_pb2.PublishPolicyResponse:
    """Publish a policy over the wire."""
    return live.client.policies.PublishPolicy(policy_pb2.PublishPolicyRequest(toml=toml))


def test_text_of_a_wrong_size(live: Running) -> None:
    """No text, which would drop every rule, and too much are refused; a comment is a policy."""
    most = limits.POLICY_BYTES
    assert most <= BYTES
    for toml, reason in (
        ("", "required"),
        ("#" * (most + 1), f"too long; max {most}"),
        ("#" + "é" * (most // 2), f"too long; max {most}"),
    ):
        for method, request in (
            (CHECK, policy_pb2.CheckPolicyRequest(toml=toml)),
            (PUBLISH, policy_pb2.PublishPolicyRequest(toml=toml)),
        ):
            assert refused(live, method, request) == wrong(f"toml: {reason}")
    assert checked(live, "#" * most).digest == BUILT_IN.digest


def test_every_mistake_is_told(live: Running) -> None:
    """All that is wrong is told at once by line and key, whether it is checked or published."""
    toml = '[holdout]\nshare = 2\n[contact]\nzone = "Mars"\n[candidates]\ncolour = 1\n'
    answer = checked(live, toml)
    told = [(one.line, one.key, one.reason) for one in answer.mistakes]
    assert [(line, key) for line, key, _ in told] == [
        *((2, "holdout.share"), (4, "contact.zone"), (6, "candidates.colour")),
    ]
    assert answer.digest == ""
    request = policy_pb2.PublishPolicyRequest(toml=toml)
    assert refused(live, PUBLISH, request) == Refusal(
        INVALID,
        f"policy: line 2: {told[0][1]}: {told[0][2]}",
        "INVALID_REQUEST",
        frozenset(f"{key}: line {line}: {reason}" for line, key, reason in told),
        0,
    )
    assert live.recommend("a").moment.policy == BUILT_IN.digest
    (mistake,) = checked(live, "a = ").mistakes
    assert (mistake.line, mistake.key) == (1, "file")


def test_more_mistakes_than_can_be_told(live: Running) -> None:
    """However many mistakes, and however long their keys, the caller gets a status with details."""
    many = "".join(f"k{number} = 1\n" for number in range(500))
    vast = "".join(f'"{number}{"é" * 500}\\u0007" = 1\n' for number in range(50))
    for toml, told in ((many, MISTAKES), (vast, 50)):
        assert len(checked(live, toml).mistakes) == told
        refusal = refused(live, PUBLISH, policy_pb2.PublishPolicyRequest(toml=toml))
        assert (refusal.code, refusal.reason) == (INVALID, "INVALID_REQUEST")
        assert 1 < len(refusal.violations) <= limits.VIOLATIONS
        assert all(violation.isprintable() for violation in refusal.violations)


@pytest.mark.parametrize("depth", [10, 100, 150, 180, 190, 196, 200, 239, 1000])
def test_nesting_of_any_depth_is_refused(depth: int) -> None:
    """A condition that is nested too deeply is a mistake of the policy, never a fault of ours."""
    nested = '{kind="any",of=[' * depth + '{kind="x"}' + "]}" * depth
    with pytest.raises(BadPolicy):
        read_policy(f'[[eligibility]]\nname = "a"\nwhen = [{nested}]\n')


def test_a_policy_by_which_nothing_can_be_decided(
    live: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a policy is refused with a reference to the log, and is not in force anywhere."""

    def fail(*arguments: object) -> None:
        raise KeyError("canary-4711")

    monkeypatch.setattr(preparation, "_warm", fail)
    told = refused(live, PUBLISH, policy_pb2.PublishPolicyRequest(toml=GOOD))
    assert (told.code, told.reason, told.violations) == (UNMET, "BAD_POLICY", frozenset())
    assert told.details.startswith("policy: cannot decide; ref=")
    assert live.registry.pointer().policy == BUILT_IN.digest
    assert live.recommend("a").moment.policy == BUILT_IN.digest


def test_no_such_policy(live: Running) -> None:
    """A digest that is too short or no digest is INVALID_ARGUMENT, an unknown one NOT_FOUND."""
    for text, reason in (("abc", "too short; min 8"), ("0" * 300, "too long; max 256")):
        request = policy_pb2.GetPolicyRequest(digest=text)
        assert refused(live, GET, request) == wrong(f"digest: {reason}")
    for text in ("0" * 64, "../../../etc/passwd"):
        told = refused(live, GET, policy_pb2.GetPolicyRequest(digest=text))
        assert (told.code, told.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
        assert told.details == "digest: not found"


def test_what_is_there_is_told(live: Running) -> None:
    """Policies are got by digest or prefix, listed latest first, and rolled back one by one."""
    first, second = published(live, GOOD), published(live, "[holdout]\nshare = 0.2\n")
    release = live.server.dependencies.active_release.release_id
    assert (first.previous_digest, first.release_id) == (BUILT_IN.digest, release)
    assert second.previous_digest == first.digest
    get = live.client.policies.GetPolicy
    present = get(policy_pb2.GetPolicyRequest())
    assert (present.digest, present.HasField("in_force_since")) == (second.digest, True)
    before = get(policy_pb2.GetPolicyRequest(digest=first.digest[:8]))
    assert (before.digest, before.HasField("in_force_since")) == (first.digest, False)
    assert before.json == '{"holdout":{"share":0.1}}'
    listed = live.client.policies.ListPolicies(policy_pb2.ListPoliciesRequest())
    digests = [second.digest, first.digest, BUILT_IN.digest]
    assert [one.digest for one in listed.history] == digests
    assert [one.digest for one in listed.policies] == digests
    assert [one.in_force for one in listed.policies] == [True, False, False]
    assert [one.HasField("published") for one in listed.policies] == [True, True, False]
    back = live.client.policies.RollbackPolicy(policy_pb2.RollbackPolicyRequest())
    assert (back.digest, back.previous_digest) == (first.digest, second.digest)
    assert back.release_id == release == live.recommend("a").moment.release
    assert live.recommend("a").moment.policy == first.digest


def test_nothing_to_roll_back_to(live: Running) -> None:
    """With no policy before this one, or a damaged one, a rollback is FAILED_PRECONDITION."""
    assert refused(live, ROLLBACK, b"") == Refusal(
        UNMET, "policy: no previous policy", "NOTHING_TO_ROLL_BACK", frozenset(), 0
    )
    first, second = published(live, GOOD), published(live, "[holdout]\nshare = 0.2\n")
    live.registry.policy_path(first.digest).write_text("{}")
    told = refused(live, ROLLBACK, b"")
    assert (told.code, told.reason) == (UNMET, "BAD_POLICY")
    assert told.details == f"{first.digest}.json: digest mismatch"
    assert live.recommend("a").moment.policy == second.digest
