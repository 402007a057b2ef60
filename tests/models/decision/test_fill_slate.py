"""Tier 1: what a slate shows below the first candidates, and what that costs."""

from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.codec import encode
from models.decision.decide import decide, run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.outcome import Stage, offer_outcome
from models.decision.replay import replay
from models.decision.slate import SlateBuilder
from models.domain.catalogue import Catalogue, Item, Offer, Row
from models.domain.decisions import WITHHELD_MOST, Flag, Intent, Request
from models.domain.events import Event
from models.domain.reasons import Reason
from models.numeric.array_types import Rows
from models.policy.schema import AtMost, CandidateCounts, Policy
from models.ranking.offer_index import OfferIndex
from models.release.release import Release
from tests.support.decisions import NOW, event, histories, offers, profile, recorded
from tests.support.small_release import small_release

ITEMS = 3_000
FEW = CandidateCounts(items=3, sets=1)


@cache
def release(items: int) -> Release:
    """Return a release of so many items, without a second stage: what is near scores high."""
    return small_release(Path(mkdtemp()), items=items)


@cache
def five_brands() -> OfferIndex:
    """Return the index of many items of five brands, which alternate."""
    rows: list[Row] = [
        Item(id=f"item{number}", features={"brand": [f"b{number % 5}"]}) for number in range(ITEMS)
    ]
    return OfferIndex(release(ITEMS), Catalogue().apply(1, rows))


@pytest.mark.parametrize("items", [3, 200])
def test_few_classes_cost_no_walk_over_the_catalogue(items: int) -> None:
    """Five brands for ten places show five offers, and look at no more than a few rows for it."""
    policy = Policy(
        diversity=(AtMost(feature="brand", limit=1),), candidates=CandidateCounts(items=items)
    )
    world = SharedInputs(five_brands(), policy)
    record = recorded(profile(event("view", "item7")), world, Request(channel="web"))
    answer = record.decision
    assert len(answer.slate) == 5
    assert answer.flags == (Flag.FEWER_THAN_ASKED,)
    assert len(answer.candidates.known) < 500
    assert len(encode(record)) < 40_000
    assert encode(replay(record, world.index.release, policy)) == encode(answer)


def taken(index: OfferIndex) -> Rows:
    """Return the rows of an index that are somebody's."""
    return np.array([row for row, offer in enumerate(index.rows.ids) if offer], np.int64)


@st.composite
def catalogues(draw: st.DrawFn) -> Catalogue:
    """Draw a catalogue of items with few brands and sizes, some without."""
    brands = draw(st.integers(1, 12))
    values = st.integers(0, brands).map(lambda number: [f"b{number}"] if number else [])
    sizes = st.sampled_from(([], ["s"], ["l", "s"]))
    rows: list[Row] = [
        Item(id=f"item{number}", features={"brand": brand, "size": size})
        for number, (brand, size) in enumerate(
            draw(st.lists(st.tuples(values, sizes), min_size=1, max_size=300))
        )
    ]
    return Catalogue().apply(1, rows)


@settings(max_examples=120, deadline=None)
@given(
    catalogues(),
    histories,
    st.integers(1, 30),
    st.lists(st.sampled_from(("brand", "size")), unique=True, max_size=2),
    st.integers(1, 3),
)
def test_the_search_shows_what_a_walk_over_everything_shows(
    catalogue: Catalogue, events: list[Event], count: int, features: list[str], limit: int
) -> None:
    """The offers of tier 1 are those that a walk down all that is eligible would come to."""
    index = OfferIndex(release(300), catalogue)
    policy = Policy(
        diversity=tuple(AtMost(feature=feature, limit=limit) for feature in features),
        candidates=FEW,
    )
    asked = Request(channel="web", count=count)
    stages = run_stages(DecisionInputs(profile(*events), SharedInputs(index, policy), asked, NOW))
    slow = SlateBuilder(stages.filled.rules)
    slow.add_ranking(stages.scored.base_ranking, tier=0)
    rest = np.setdiff1d(taken(index), stages.scored.base_ranking.rows)
    slow.add_ranking(stages.scored.ranker.rank(rest), tier=1)
    shown = [place.offer for place in stages.filled.shown]
    assert shown == [place.offer for place in slow.filled().shown]
    for row, offer in enumerate(index.rows.ids):
        if offer and not stages.filled.full and offer not in shown:
            outcome = offer_outcome(stages, offer)
            assert outcome.stage == Stage.CHANNEL
            # Which of several rules bars it depends on when it is looked at.
            expected = stages.gathered.closed.get(offer) or slow.filled().crowded_out(row, row)
            assert outcome.exclusion is not None
            assert expected is not None
            assert outcome.exclusion.reason == expected.reason


@settings(max_examples=60, deadline=None)
@given(st.data(), histories, st.integers(1, 40))
def test_sets_keep_to_the_classes_of_what_leads_them(
    data: st.DataObject, events: list[Event], count: int
) -> None:
    """With offers over sets no class is overfull, and places stay empty only where none is open."""
    rows: list[Row] = [
        Item(id=f"item{number}", features={"brand": [f"b{number % 7}"]}) for number in range(120)
    ]
    member = st.integers(0, 119).map(lambda number: f"item{number}")
    for number in range(data.draw(st.integers(0, 150))):
        own = data.draw(st.sampled_from(({}, {"brand": ["b1"]}, {"brand": ["own"]})))
        members = tuple(data.draw(st.lists(member, min_size=1, max_size=3, unique=True)))
        rows.append(Offer(id=f"set{number}", items=members, features=own))
    index = OfferIndex(release(300), Catalogue().apply(1, rows))
    policy = Policy(diversity=(AtMost(feature="brand", limit=2),), candidates=FEW)
    world = SharedInputs(index, policy)
    record = recorded(profile(*events), world, Request(channel="web", count=count))
    stages = run_stages(DecisionInputs(profile(*events), world, record.request, NOW))
    shown = stages.filled.shown
    classes = [stages.filled.rules.classes(place.row, place.lead)[0] for place in shown]
    assert max(map(classes.count, classes), default=0) <= 2
    assert len({place.lead for place in shown}) == len(shown)
    if not stages.filled.full:
        rest = np.setdiff1d(taken(index), [place.row for place in shown])
        ranking = stages.scored.ranker.rank(rest)
        for row, lead in zip(ranking.rows.tolist(), ranking.leads.tolist(), strict=True):
            closed = index.rows.ids[row] in stages.gathered.closed
            assert closed or stages.filled.crowded_out(row, lead) is not None
    assert encode(replay(record, index.release, policy)) == encode(record.decision)


def many_withheld(ranked_out: int) -> tuple[SharedInputs, Request]:
    """Return a request that withholds so many offers of one ranking before the first it shows."""
    world = SharedInputs(five_brands(), Policy(candidates=CandidateCounts(items=1_000)))
    asked = Request(channel="web", count=1)
    ranking = run_stages(DecisionInputs(profile(), world, asked, NOW)).scored.base_ranking
    first = tuple(world.index.rows.ids[row] for row in ranking.rows[:ranked_out].tolist())
    return world, Request(channel="web", count=1, exclude=first)


@pytest.mark.parametrize("withheld", [0, 1, WITHHELD_MOST, WITHHELD_MOST + 1, 900])
def test_withheld_is_bounded_and_the_rest_counted(withheld: int) -> None:
    """An answer tells the first 200 withheld and counts the others; the record replays."""
    world, asked = many_withheld(withheld)
    record = recorded(profile(), world, asked)
    answer = record.decision
    assert [one.rank for one in answer.slate] == [withheld + 1]
    told = min(withheld, WITHHELD_MOST)
    assert [one.rank for one in answer.withheld] == [*range(1, told + 1)]
    assert answer.withheld_more == withheld - told
    assert encode(replay(record, world.index.release, world.policy)) == encode(answer)


def test_what_is_withheld_but_not_told_is_explained() -> None:
    """An offer withheld beyond those told keeps its rank and its reason when it is asked about."""
    world, asked = many_withheld(900)
    stages = run_stages(DecisionInputs(profile(), world, asked, NOW))
    outcome = offer_outcome(stages, asked.exclude[-1])
    assert (outcome.stage, outcome.rank, outcome.reason) == (Stage.CHANNEL, 900, Reason.EXCLUDED)


def test_offers_used_up_beyond_those_told_replay() -> None:
    """A decision that met more used-up offers than it tells is the same again from its record."""
    world, asked = many_withheld(900)
    used_up = SharedInputs(world.index, world.policy, exhausted=frozenset(asked.exclude))
    record = recorded(profile(), used_up, Request(channel="web", count=1))
    assert record.decision.slate[0].rank == 901
    assert set(record.exhausted) == set(asked.exclude[WITHHELD_MOST:])
    assert encode(replay(record, world.index.release, world.policy)) == encode(record.decision)


def test_too_few_offers_count_all_that_were_withheld() -> None:
    """Where too few are shown, told and counted together are all candidates."""
    world, _ = many_withheld(1)
    only = Request(channel="web", count=5, include=("item:item7",))
    answer = decide(profile(), world, only, NOW)
    assert offers(answer) == ["item:item7"]
    assert len(answer.withheld) == WITHHELD_MOST
    walked = len(answer.slate) + len(answer.withheld) + answer.withheld_more
    assert walked == len(answer.candidates.known) >= 1_000


def test_replenish_has_no_second_search() -> None:
    """What was never bought is not called crowded out where only what was bought is offered."""
    policy = Policy(diversity=(AtMost(feature="brand", limit=1),))
    asked = Request(channel="web", intent=Intent.REPLENISH)
    world = SharedInputs(five_brands(), policy)
    customer = profile(event("purchase", "item5"))
    outcome = offer_outcome(run_stages(DecisionInputs(customer, world, asked, NOW)), "item:item10")
    assert outcome.stage == Stage.RETRIEVAL
