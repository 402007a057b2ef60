"""The release and the policy in force have a history each, and each goes back alone."""

import shutil
from pathlib import Path

import msgspec
import pytest

from models.errors import BadInput, BadRelease, Conflict
from models.policy.schema import BUILT_IN, Holdout, Policy
from models.release.histories import (
    FORMAT,
    HISTORY,
    POINTER,
    HistoryEntry,
    NewerPointer,
    NothingToRollBack,
    Pointer,
)
from models.release.registry import POLICIES, BadPolicyFile, Registry
from tests.support.paths import ROOT

FIXTURES = ROOT / "tests" / "fixtures"
FORMER = FIXTURES / "pointers" / "format_1.json"
A, B, C = ("a" * 64, "b" * 64, "c" * 64)
ONE, TWO, THREE = (Policy(holdout=Holdout(share=share)) for share in (0.1, 0.2, 0.3))


def ids(entries: tuple[HistoryEntry, ...]) -> list[str]:
    """Return the ids of entries."""
    return [entry.id for entry in entries]


def in_force(pointer: Pointer) -> tuple[str, str]:
    """Return the ids of the pair in force."""
    return pointer.release, pointer.policy


def test_each_half_is_changed_alone(tmp_path: Path) -> None:
    """A change of the release leaves the policy in force, and the other way round."""
    registry = Registry(tmp_path)
    registry.promote(A, 1)
    assert in_force(registry.promote(B, 2)) == (B, BUILT_IN.digest)
    assert in_force(registry.publish(ONE, 3)) == (B, ONE.digest)
    assert in_force(registry.rollback(4)) == (A, ONE.digest)
    assert in_force(registry.publish(TWO, 5)) == (A, TWO.digest)
    assert in_force(registry.promote(C, 6)) == (C, TWO.digest)
    assert in_force(registry.rollback_policy(7)) == (C, ONE.digest)
    assert in_force(registry.rollback_policy(8)) == (C, BUILT_IN.digest)
    assert in_force(registry.rollback(9)) == (A, BUILT_IN.digest)
    with pytest.raises(NothingToRollBack, match=r"^policy: no previous policy$"):
        registry.rollback_policy(10)
    with pytest.raises(NothingToRollBack, match=r"^release: no previous release$"):
        registry.rollback(10)
    assert in_force(registry.pointer()) == (A, BUILT_IN.digest)


def test_a_history_tells_since_when_and_why(tmp_path: Path) -> None:
    """Each entry has the time from which it was in force, and the reason of an override."""
    registry = Registry(tmp_path)
    registry.promote(A, 1)
    registry.promote(B, 2, "asked for")
    registry.publish(ONE, 3)
    registry.promote(C, 4)
    pointer = registry.rollback(5)
    assert pointer.releases.entries == (HistoryEntry(B, 5, "asked for"), HistoryEntry(A, 1))
    assert pointer.policies.entries == (
        HistoryEntry(ONE.digest, 3),
        HistoryEntry(BUILT_IN.digest, 0),
    )


def test_a_history_is_bounded(tmp_path: Path) -> None:
    """Of each history only the latest entries stay, however often either half changes."""
    registry = Registry(tmp_path)
    for number in range(HISTORY + 5):
        registry.promote(f"{number:064x}", number)
        pointer = registry.publish((ONE, TWO)[number % 2], number)
    assert [entry.since for entry in pointer.releases.before] == list(range(HISTORY + 3, 3, -1))
    assert len(pointer.policies.before) == HISTORY
    assert registry.pointer() == pointer


def test_what_is_in_force_already_changes_nothing(tmp_path: Path) -> None:
    """The same release or policy put in force again is no step that a rollback would take back."""
    registry = Registry(tmp_path)
    registry.promote(A, 1)
    before = registry.publish(ONE, 2)
    assert registry.promote(A, 3) == before == registry.publish(ONE, 4)


def test_a_policy_needs_no_release(tmp_path: Path) -> None:
    """A policy published before any release is in force when the first one is promoted."""
    registry = Registry(tmp_path)
    assert in_force(registry.pointer()) == ("", BUILT_IN.digest)
    assert in_force(registry.publish(ONE, 1)) == ("", ONE.digest)
    assert in_force(registry.promote(A, 2)) == (A, ONE.digest)
    assert in_force(registry.rollback_policy(3)) == (A, BUILT_IN.digest)


def test_a_rollback_is_to_what_was_looked_at(tmp_path: Path) -> None:
    """Where somebody else moved the pointer meanwhile, a rollback is a conflict."""
    registry = Registry(tmp_path)
    for number, (release, policy) in enumerate(((A, ONE), (B, TWO), (C, THREE))):
        registry.promote(release, number)
        registry.publish(policy, number)
    before = registry.pointer()
    with pytest.raises(Conflict):
        registry.rollback(9, A)
    with pytest.raises(Conflict):
        registry.rollback_policy(9, ONE.digest)
    assert registry.pointer() == before
    assert in_force(registry.rollback(9, B)) == (B, THREE.digest)
    assert in_force(registry.rollback_policy(9, TWO.digest)) == (B, TWO.digest)


def test_a_damaged_policy_is_not_rolled_back_to(tmp_path: Path) -> None:
    """A rollback to a policy that cannot be read is refused, and publishing it anew mends it."""
    registry = Registry(tmp_path)
    registry.publish(ONE, 1)
    before = registry.publish(TWO, 2)
    path = tmp_path / POLICIES / f"{ONE.digest}.json"
    path.write_text("{}")
    with pytest.raises(BadPolicyFile, match="digest mismatch"):
        registry.rollback_policy(3)
    assert registry.pointer() == before
    registry.publish(ONE, 4)
    assert registry.policy(ONE.digest) == ONE


def test_policies_are_listed_latest_first(tmp_path: Path) -> None:
    """Each policy is listed with the time it was published first, the built-in one last."""
    registry = Registry(tmp_path)
    for policy, now in ((ONE, 1), (TWO, 2), (ONE, 3)):
        registry.publish(policy, now)
    listed = registry.policies()
    assert listed == [(TWO.digest, 2), (ONE.digest, 1), (BUILT_IN.digest, 0)]
    assert registry.resolve_policy(BUILT_IN.digest[:8]) == BUILT_IN.digest
    assert registry.resolve_policy(ONE.digest[:12]) == ONE.digest
    for text in ("", "abc", "0" * 64, "../../../etc"):
        with pytest.raises(BadInput, match=r"^digest: "):
            registry.resolve_policy(text)


def test_a_pointer_of_pairs_becomes_two_histories(tmp_path: Path) -> None:
    """The format before is read, equal neighbours as one, and written anew at a change."""
    shutil.copy(FORMER, tmp_path / POINTER)
    registry = Registry(tmp_path)
    one, two, three = (
        "10fabee0e546ce6f728fb64ee1b879ff38f62c6dbe3e0973f45b333d00ef0865",
        "9b38c6e1397887cfeff723c3537e3af3c3fbfa8831460d134c42a98a44f19d16",
        "8c91c7c4a468d39539629af546c736a4ce192536c6f15d4977307418041fe807",
    )
    pointer = registry.pointer()
    assert pointer.releases.entries == (
        HistoryEntry(A, 60),
        HistoryEntry(B, 40, "the shop asked for it"),
        HistoryEntry(A, 10),
    )
    assert [(entry.id, entry.since) for entry in pointer.policies.entries] == [
        *((two, 70), (three, 50), (two, 30), (one, 20)),
        (BUILT_IN.digest, 10),
    ]
    registry.promote(A, 80)
    assert (tmp_path / POINTER).read_bytes() == FORMER.read_bytes()
    after = registry.rollback(90)
    assert in_force(after) == (B, two)
    assert msgspec.json.decode((tmp_path / POINTER).read_bytes())["format"] == FORMAT
    assert registry.pointer() == after
    assert after.policies == pointer.policies


def test_a_long_pointer_of_pairs_is_read() -> None:
    """Of twenty pairs by the server that wrote them, no release and no policy is lost."""
    pointer = Registry(FIXTURES / "records_4295107" / "registry").pointer()
    assert [release[:4] for release in ids(pointer.releases.entries)] == [
        *("0a13", "2e12", "54ff", "979f", "3a14"),
    ]
    assert len(pointer.policies.entries) == 17


def test_a_pointer_of_a_later_version_is_refused_by_name(tmp_path: Path) -> None:
    """A later format is never taken for nothing in force, whoever reads or changes it."""
    text = b'{"format": 3, "halves": []}'
    (tmp_path / POINTER).write_bytes(text)
    registry = Registry(tmp_path)
    said = rf"^pointer.json: format 3 not supported; max {FORMAT}; use the version of Throughline"
    for call in (
        registry.pointer,
        lambda: registry.promote(A, 1),
        lambda: registry.rollback(1),
        lambda: registry.publish(ONE, 1),
        lambda: registry.rollback_policy(1),
    ):
        with pytest.raises(NewerPointer, match=said):
            call()
    assert (tmp_path / POINTER).read_bytes() == text


def test_the_version_before_refuses_this_format(tmp_path: Path) -> None:
    """What reads only pairs fails on this format, and does not see an empty registry."""

    class Pair(msgspec.Struct):
        release: str
        policy: str
        since: int
        override: str = ""

    class Pairs(msgspec.Struct):
        in_force: Pair | None = None
        before: tuple[Pair, ...] = ()

    registry = Registry(tmp_path)
    registry.publish(ONE, 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode((tmp_path / POINTER).read_bytes(), type=Pairs)
    registry.promote(A, 1)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode((tmp_path / POINTER).read_bytes(), type=Pairs)


@pytest.mark.parametrize(
    "text",
    [
        b'{"format": 2}',
        b'{"format": 0}',
        b'{"format": "2"}',
        b'{"format": 2, "in_force": {"release": null}, "before": {}}',
        b'{"format": 2, "in_force": {"release": {"id": "../x", "since": 1}, "policy": null},'
        b' "before": {"releases": [], "policies": []}}',
        b'{"format": 2, "in_force": {"release": null, "policy": {"id": "x", "since": 1}},'
        b' "before": {"releases": [], "policies": []}}',
    ],
)
def test_a_pointer_that_is_none_says_so(tmp_path: Path, text: bytes) -> None:
    """A pointer of this format that lacks something, or leads out of the registry, is an error."""
    (tmp_path / POINTER).write_bytes(text)
    with pytest.raises(BadRelease, match=r"^pointer.json: "):
        Registry(tmp_path).pointer()
