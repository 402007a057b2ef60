"""Every offer that a decision withheld has its reason, and what is told to show it shows it."""

import statistics
import time
from collections import Counter
from pathlib import Path

import pytest

from models.decision.inputs import DecisionInputs
from models.decision.outcome import Stage
from models.decision.recorded import recorded_profile
from models.domain.reasons import Reason
from models.explanation.explain import explain
from models.explanation.minimal_change import MOST
from models.release.registry import Registry
from service.store.opening import open_store
from tests.support.backends import STORE_KEY
from tests.support.decisions import shown_after
from tests.support.month import Month
from tests.support.proof_table import LONG, Proof
from tests.support.waiting import PATIENCE

pytestmark = pytest.mark.machine

MILLISECONDS = 50  # that half of the explanations take at most


@pytest.mark.parametrize("decisions", [60, pytest.param(10_000, marks=LONG)])
def test_each_withheld_offer_is_explained(tmp_path: Path, proof: Proof, decisions: int) -> None:
    """Each has a reason; each told set of changes shows it, and with one of them left out none."""
    store = open_store(f"sqlite:{tmp_path / 'data'}", key=STORE_KEY, timeout=PATIENCE)
    month = Month(store, Registry(tmp_path / "registry"))
    took: list[float] = []
    reasons: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for record, world in month.live(decisions):
        asked = DecisionInputs(recorded_profile(record), world, record.request, record.time)
        for withheld in record.decision.withheld:
            began = time.perf_counter()
            told = explain(record, world, withheld.offer)
            took.append(1000 * (time.perf_counter() - began))
            assert not told.moved
            assert withheld.reason in Reason
            assert told.outcome.stage != Stage.SHOWN
            reasons[Reason(withheld.reason).name] += 1
            sizes[min(map(len, told.sets), default=0)] += 1
            assert told.sets or told.stopped
            for changes in told.sets:
                assert 1 <= len(changes) <= MOST
                assert shown_after(asked, withheld.offer, changes)
                for at in range(len(changes)):
                    fewer = (*changes[:at], *changes[at + 1 :])
                    assert not shown_after(asked, withheld.offer, fewer)
    store.close()
    median = statistics.median(took)
    assert median < MILLISECONDS
    why = ", ".join(f"{number:,} {name}" for name, number in reasons.most_common())
    proof(
        "each withheld offer is explained",
        f"{len(took):,} withheld offers of {decisions:,} simulated decisions: {why}",
        f"{sizes[1]:,} shown by one change, {sizes[2] + sizes[3]:,} by two or three, each verified "
        f"and none with one less; {sizes[0]:,} by no small change; median {median:.0f} ms",
    )
