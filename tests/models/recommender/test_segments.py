"""Segments: what a moment is called, and what items' shares at such moments say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.entry import Entry
from models.domain.rule_history import RuleHistory
from models.domain.view import View
from models.recommender.segments import UNDATED, SegmentBuilder, segment_popularity, segments_of
from tests.support.training_logs import log_of
from training.counting.segment_popularity import count_popularity
from training.log.profile_builder import ProfileBuilder


def test_a_moment_is_named_by_attributes_purchases_and_the_visit() -> None:
    """What was done since the latest purchase counts by type and channel, up to three times."""
    log = log_of("vX vA bA vB cB vC vD vD", "vA bA", "", sequence=True)
    named = [segments_of(ProfileBuilder(log, customer.events).view()) for customer in log.customers]
    assert named == [
        ["bought:A", "visit:add_to_cart@app=1,view@app=3"],
        ["bought:A", "visit:"],
        ["visit:"],
    ]
    moment = SegmentBuilder()
    moment.add("purchase", "purchase", "app", "A", ordered=False)
    moment.add("browse", "view", "app", "A", ordered=False)
    assert moment.names({"region": "north", "tier": ""}) == ["region=north", "bought:A", "visit:"]
    assert moment.names({}, without="A") == ["visit:"]


TIMES = st.sampled_from([(0, 0), (1, 5), (1, 6), (1, 7), (2, 0), (2, 1)])  # rank and place
LANES = st.sampled_from(["browse", "cart", "purchase", "response"])


@given(st.lists(st.tuples(TIMES, LANES, st.sampled_from(["A", "B", ""])), max_size=12))
def test_a_customer_is_named_as_by_taking_act_after_act(
    acts: list[tuple[tuple[int, int], str, str]],
) -> None:
    """Reading lane by lane, back to the latest purchase, names what all acts in order do."""
    entries = [
        (Entry(*time, key, f"{lane} it", "web", item, ""), lane)
        for key, (time, lane, item) in enumerate(acts)
    ]
    entries.sort()
    moment, lanes = SegmentBuilder(), dict[str, tuple[Entry, ...]]()
    for entry, lane in entries:
        ordered = (entry.rank, entry.at) != UNDATED
        moment.add(lane, entry.type, entry.channel, entry.item, ordered=ordered)
        lanes[lane] = (*lanes.get(lane, ()), entry)
    assert segments_of(
        View(lanes, {"region": "north"}, RuleHistory((), lanes, former=False))
    ) == moment.names({"region": "north"})


def test_shares_are_counted_before_each_purchase() -> None:
    """Who buys B after A lifts B for those who bought A, and nobody's purchase explains itself."""
    after = ["bA bB"] * 80
    log = log_of(*after, *["bC"] * 80, sequence=True)
    items = sorted(log.items)
    found = count_popularity(log, ["purchase"], items)
    assert found.segments == ["", "visit:", "bought:A"]  # B was bought last: nothing follows it
    counted = np.exp(found.log_shares[found.shares.row_of["bought:A"]])
    assert counted.sum() == pytest.approx(1, abs=1e-4)
    assert counted[1] > 1.5 * np.exp(found.log_shares[0, 1])
    scores = segment_popularity(found.shares, ["bought:A", "unheard of"], np.array([2, 1]))
    assert scores.tolist() == found.log_shares[2, [2, 1]].tolist()
    both = segment_popularity(found.shares, ["bought:A", "visit:"], np.array([1]))
    alone = found.log_shares[1:, 1] - found.log_shares[0, 1]
    assert both.tolist() == pytest.approx([found.log_shares[0, 1] + alone.sum()], abs=1e-5)
    nobody = count_popularity(log, ["purchase"], items, left_out=np.arange(160) < 80)
    assert nobody.segments == ["", "visit:"]
    assert np.exp(nobody.log_shares[0, 1]) < 0.01


def test_without_order_everything_else_is_what_came_before() -> None:
    """An undated purchase is counted under all others of the customer, not under itself."""
    log = log_of(*["bA bB"] * 60)
    found = count_popularity(log, ["purchase"], ["A", "B"])
    assert found.segments == ["", "bought:A", "bought:B", "visit:"]
    assert np.exp(found.log_shares[1, 1]) > 0.6 > 0.4 > np.exp(found.log_shares[1, 0])
