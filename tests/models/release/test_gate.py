"""The gate: a release that is worse than the one in force does not take over unless told why."""

import os
import subprocess
import sys
from pathlib import Path

import grpc
import numpy as np
import pytest
from structlog.testing import capture_logs
from throughline.v1 import release_pb2

from models.errors import BadRelease, Held
from models.release.gate import LEAST_CASES, Comparison, Lead, check_gate, check_label, worst
from models.release.manifest import Metric
from models.release.promotion import override_needed
from models.release.registry import Entry, Registry
from tests.support.in_process import running
from tests.support.refusals import Refusal, refused, wrong
from tests.support.small_release import write_small_release
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

PROMOTE = "ReleaseService/PromoteRelease"
FIGURES = (Metric(name="recall@10", slice="all", n=900, value=0.3, low=0.28, high=0.32),)


def lead(
    difference: float, error: float, slice_: str = "all", metric: str = "recall@10", n: int = 900
) -> Lead:
    """Return a lead with this standard error."""
    low, high = difference - 1.96 * error, difference + 1.96 * error
    return Lead(
        metric=metric, slice=slice_, n=n, mine=0.3 + difference, theirs=0.3, low=low, high=high
    )


def measured(directory: Path) -> tuple[Registry, str, str]:
    """Return a registry with one measured release in force, and another; both their ids."""
    registry = Registry(directory)
    first, second = (
        write_small_release(directory, seed=seed, metrics=FIGURES)[0] for seed in (1, 2)
    )
    for number, release in enumerate((first, second)):
        registry.add(Entry(release=release, created=number))
    registry.promote(first, 1)
    return registry, first, second


def against(registry: Registry, release: str, other: str, *leads: Lead) -> None:
    """Enter how a release did against another."""
    registry.compare(Comparison(release=release, other=other, leads=leads))


def test_what_is_surely_worse_is_held_with_its_slice() -> None:
    """One slice that is worse beyond chance holds a release that is better overall, by name."""
    leads = (lead(0.05, 0.01), lead(-0.06, 0.01, "new items", "ndcg@10"), lead(-0.01, 0.01, "warm"))
    with pytest.raises(Held) as held:
        check_gate(Comparison(release="a", other="b", leads=leads))
    assert str(held.value) == (
        "gate ndcg@10, new items: 0.2400 against 0.3000 in force "
        "(-0.0600 [-0.0796, -0.0404], 900 cases); a reason overrides"
    )


def test_a_release_that_ignores_values_is_held() -> None:
    """Where values count, a release under which they would not is held; not the other way round."""
    with pytest.raises(Held, match="gate label: ORGANIC against RESPONSE in force"):
        check_label("ORGANIC", "RESPONSE")
    check_label("RESPONSE", "ORGANIC")
    check_label("ORGANIC", "ORGANIC")
    check_label("RESPONSE", "RESPONSE")


def test_what_may_be_chance_is_not_held() -> None:
    """A slice a little worse, a slice of few cases, and a metric that is not gated hold nothing."""
    little = lead(-0.015, 0.01, "warm")
    few = lead(-0.2, 0.01, "new items", n=LEAST_CASES - 1)
    other = lead(-0.2, 0.01, "all", "mrr@3")
    assert worst([lead(0.0, 0.01), little, few, other]) is None
    assert worst([]) is None
    assert worst([lead(0.0, 0.0), lead(0.1, 0.0)]) is None
    assert worst([lead(-0.01, 0.0)]) == lead(-0.01, 0.0)


def test_equal_releases_pass_nineteen_times_in_twenty() -> None:
    """Of releases that are equal on 24 slices, at most 5 % and a little are held."""
    random = np.random.default_rng(1)
    draws = random.normal(0, 0.01, (2000, 24))
    held = sum(worst([lead(float(value), 0.01) for value in row]) is not None for row in draws)
    assert 0.03 < held / len(draws) < 0.065


def test_only_a_measured_release_in_force_holds(tmp_path: Path) -> None:
    """The first release, the same one again, and the follower of an unmeasured one pass."""
    registry = Registry(tmp_path / "registry")
    unmeasured, second = (
        write_small_release(registry.directory, seed=seed, metrics=figures)[0]
        for seed, figures in ((1, ()), (2, FIGURES))
    )
    assert override_needed(registry, second) == ""
    registry.promote(unmeasured, 1)
    assert override_needed(registry, second) == ""
    registry.promote(second, 2)
    assert override_needed(registry, second) == ""
    with pytest.raises(Held, match="not compared with the release in force"):
        override_needed(registry, unmeasured)


def test_a_comparison_counts_for_its_own_pair_only(tmp_path: Path) -> None:
    """How a release did against another one than that in force says nothing; damage is told."""
    registry, first, second = measured(tmp_path)
    against(registry, second, "f" * 64, lead(0.1, 0.01))
    against(registry, first, second, lead(0.1, 0.01))
    with pytest.raises(Held):
        override_needed(registry, second)
    against(registry, second, first, lead(0.1, 0.01))
    assert override_needed(registry, second, "not needed") == ""
    path = registry.directory / "comparisons" / f"{second}-{first}.json"
    path.write_text("{")
    with pytest.raises(BadRelease, match=path.name):
        override_needed(registry, second)


def test_over_the_wire_a_reason_overrides_and_is_recorded(tmp_path: Path) -> None:
    """A held promotion is FAILED_PRECONDITION with the slice; with a reason it is done, and kept.

    Going back needs no reason.
    """
    with running(tmp_path, promoted=False) as live, capture_logs() as logs:
        registry, first, second = measured(live.registry.directory)
        request = release_pb2.PromoteReleaseRequest(release_id=second)
        live.server.dependencies.active_release.follow_release()
        against(registry, second, first, lead(-0.1, 0.01, "on web"))
        assert refused(live, PROMOTE, request) == Refusal(
            grpc.StatusCode.FAILED_PRECONDITION,
            "gate recall@10, on web: 0.2000 against 0.3000 in force "
            "(-0.1000 [-0.1196, -0.0804], 900 cases); a reason overrides",
            "HELD_BY_GATE",
            frozenset(),
            0,
        )
        request.override = "x" * 257
        assert refused(live, PROMOTE, request) == wrong("override: too long; max 256")
        assert registry.pointer().release == first

        request.override = "the old one sells what is gone"
        live.client.releases.PromoteRelease(request, timeout=PATIENCE)
        entry = registry.pointer().releases.in_force
        assert entry is not None
        assert (entry.id, entry.override) == (second, request.override)
        (line,) = [line for line in logs if line["event"] == "promoted"]
        assert line["override"] == request.override
        live.client.releases.RollbackRelease(release_pb2.RollbackReleaseRequest(), timeout=PATIENCE)
        assert registry.pointer().release == first


def test_on_the_command_line(tmp_path: Path) -> None:
    """`releases promote` tells what holds a release in one line, and takes a reason."""
    registry, first, second = measured(tmp_path)
    against(registry, second, first, lead(-0.1, 0.01, "discovery"))
    command = [sys.executable, "-P", "-m", "service.cli", "releases", "promote", second]
    command += ["--registry", str(tmp_path)]
    held = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (held.returncode, held.stderr.count("\n")) == (os.EX_DATAERR, 1), held.stderr
    assert held.stderr.startswith("throughline: gate recall@10, discovery: 0.2000 against 0.3000")
    assert registry.pointer().release == first
    command += ["--override", "asked for by the shop"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    entry = registry.pointer().releases.in_force
    assert entry is not None
    assert (entry.id, entry.override) == (second, "asked for by the shop")
