"""Decisions by the second stage: as a plain reference ranks, with sources, rates and reasons."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from throughline.v1 import recommendation_pb2 as pb

from models.clock_time import DAY
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.decision.recorded import catalogue_rows_used
from models.domain.catalogue import Item
from models.domain.decisions import ContextItem, Decision, Flag, Request, Source
from models.domain.event_types import EVENT_TYPES, INTERACTION_LANES
from models.domain.events import Event
from models.domain.reasons import Reason
from models.domain.view import view_of
from models.numeric.fixed import ONE
from models.policy.schema import BUILT_IN, CandidateCounts, Policy
from models.ranking.two_stage_scorer import _between
from models.recommender.item_history import NEVER, item_history_of
from models.recommender.ranker import SecondStage, rank_candidates
from models.recommender.segments import segments_of
from service.contract import recommendation_messages
from tests.support.decisions import NOW, event, histories, index, offers, profile
from tests.support.naive_trees import walked
from tests.support.small_release import small_catalogue

F = np.float32
EVERYTHING = Policy(candidates=CandidateCounts(items=500, sets=500))


def stage() -> SecondStage:
    """Return its second stage."""
    found = index(True).release.second_stage
    assert found is not None
    return found


def asked(*events: Event, **fields: object) -> Decision:
    """Decide for a customer who did this."""
    request = Request(channel="web", **fields)  # type: ignore[arg-type]
    return decide(profile(*events), SharedInputs(index(True), BUILT_IN), request, NOW)


def reference(events: list[Event], intent: str) -> dict[str, int]:
    """Return the score of every item of the release, worked out item by item in plain Python."""
    tables, facts = stage().retrieval.tables, stage().retrieval.item_features
    names = index(True).release.items
    factor = index(True).release.history.factor
    seen = [
        (entry, lane)
        for lane, name in enumerate(INTERACTION_LANES)
        for entry in view_of(profile(*events).compartments.values()).lanes.get(name, ())
    ]
    seen.sort(key=lambda pair: pair[0], reverse=True)
    latest = next((lane for entry, lane in seen if (entry.rank, entry.at) != (0, 0)), 2)
    visited = latest != 2  # something since the latest purchase
    decays = [1.0]
    strength: dict[int, list[np.float32]] = {}
    count: dict[int, list[int]] = {}
    since: dict[int, int] = {}
    days: dict[int, float] = {}
    for at, (entry, lane) in enumerate(seen):
        row = index(True).release.item_row[entry.item]
        mine = strength.setdefault(row, [F(0)] * 4)
        mine[lane] = max(mine[lane], F(decays[-1]))
        count.setdefault(row, [0] * 4)[lane] += 1
        since.setdefault(row, at)
        days.setdefault(row, max(0, NOW - entry.at) / DAY)
        decays.append(decays[-1] * factor)
    items, own = sorted(strength), range(len(tables.names))
    sums = {(row, k): F(0) for row in range(len(names)) for k in own}
    bests, totals = dict(sums), [F(0) for _ in own]
    for item in items:
        for k in own:
            weight = F(0)
            for lane in range(4):
                weight += tables.lanes[k, lane] * strength[item][lane]
            totals[k] += weight
            place = item * len(own) + k
            for near in range(tables.starts[place], tables.starts[place + 1]):
                value = weight * tables.weights[near]
                sums[tables.rows[near], k] += value
                bests[tables.rows[near], k] = max(bests[tables.rows[near], k], value)
    closed = _closed(events, intent)
    greatest = [max(sums[row, k] for row in range(len(names)) if row not in closed) for k in own]
    bought = [item for item in items if count[item][2]]
    browsed = [item for item in items if count[item][0]]
    carted = [item for item in items if count[item][1]]
    person = [F(sum(count[item][lane] > 0 for item in items)) for lane in range(4)]
    person += [F(len(set(part) - set(bought))) for part in (browsed, carted)]
    both = [len(set(part) & set(bought)) for part in (browsed, carted)]
    person += [F(number) / max(F(1), person[2]) for number in both]
    for part, lane in ((bought, 2), (browsed, 0)):
        taste = sum(float(facts[item, 2]) for item in part)
        person.append(F(taste / max(1.0, float(person[lane]))))
    responses = index(True).release.history.responses
    person.append(F(sum(entry.type in responses for entry, _ in seen)))
    matrix = []
    for row in range(len(names)):
        line: list[float] = []
        for k in own:
            total = sums[row, k]
            if total > 0:
                shares = total / totals[k], total / max(greatest[k], total)
                line += [float(value) for value in (total, bests[row, k], *shares)]
            else:
                line += [0.0] * 4
        line += map(float, strength.get(row, [F(0)] * 4))
        line += count.get(row, [0] * 4)
        line += [since.get(row, NEVER), days.get(row, NEVER)]
        popular = _share(row, [names[item] for item in bought], visited=visited)
        line += [*map(float, person), 0.0, popular, *facts[row].tolist()]
        matrix.append(line)
    text = stage().ensembles[intent].trees.text
    scores = walked(text, np.array(matrix, F))
    return {name: round(score * ONE) for name, score in zip(names, scores, strict=True)}


def _share(row: int, bought: list[str], *, visited: bool) -> float:
    """Return the log share of an item at this moment, segment by segment."""
    shares = stage().retrieval.shares
    everybody = shares.logs[0, row]
    known = [
        shares.row_of[f"bought:{item}"] for item in bought if f"bought:{item}" in shares.row_of
    ]
    total = everybody
    if known:
        more = F(0)
        for one in known:
            more += shares.logs[one, row] - everybody
        total = total + more * F(len(known) ** -0.5)
    if not visited:
        total = total + (shares.logs[shares.row_of["visit:"], row] - everybody)
    return float(total)


def _closed(events: list[Event], intent: str) -> set[int]:
    """Return the rows that may not be proposed."""
    rows = index(True).release.item_row
    month = 30 * DAY
    return {
        rows[e.item]
        for e in events
        if intent == "discovery"
        or (e.type in ("purchase", "dismiss") and e.time is not None and NOW - e.time < month)
    }


@pytest.mark.parametrize("intent", ["default", "discovery"])
@settings(max_examples=25)
@given(events=histories.filter(bool))
def test_scores_are_those_of_a_plain_reference(intent: str, events: list[Event]) -> None:
    """Every offer scores as a walk down every tree over features counted item by item says."""
    wanted = reference(events, intent)
    request = Request(channel="web", count=100, intent=intent)
    answer = decide(profile(*events), SharedInputs(index(True), EVERYTHING), request, NOW)
    known = [shown for shown in answer.slate if shown.item in wanted]
    assert known
    assert {shown.item: shown.score for shown in known} == {
        shown.item: wanted[shown.item] for shown in known
    }
    closed = _closed(events, intent)
    for offer in index(True).catalogue.offers.values():
        items = [item for item in offer.items if item in wanted]
        may = [item for item in items if index(True).release.item_row[item] not in closed] or items
        for shown in answer.slate:
            if shown.offer == offer.id:
                assert shown.score == max(wanted[item] for item in may)


@settings(max_examples=15)
@given(events=histories.filter(bool))
def test_serving_scores_as_golden_requests_do(events: list[Event]) -> None:
    """What the sources propose scores in a decision as in the answer of a golden request."""
    release, view = index(True).release, view_of(profile(*events).compartments.values())
    past = item_history_of(view, release.item_row, release.history, NOW)
    allowed = np.ones(len(release.items), np.bool_)
    allowed[list(_closed(events, "discovery"))] = False
    every = np.arange(len(release.items))
    found = rank_candidates(stage(), "discovery", past, segments_of(view), allowed, every)
    request = Request(channel="web", count=100, intent="discovery")
    slate = decide(profile(*events), SharedInputs(index(True), BUILT_IN), request, NOW).slate
    scores = {shown.item: shown.score for shown in slate}
    assert len(found.rows)
    for row, score in zip(found.rows.tolist(), found.scores.tolist(), strict=True):
        assert scores[release.items[row]] == score


def test_each_source_is_named() -> None:
    """An item touched is the customer's own, one that a table leads to is related, and so on."""
    answer = asked(event("view", "item3"), event("add_to_cart", "item9"), count=100)
    tables = stage().retrieval.tables
    rows, kinds = index(True).release.item_row, len(tables.names)
    near = {
        int(row)
        for k in range(kinds)
        for item in (rows["item3"], rows["item9"])
        for row in tables.rows[slice(*tables.starts[item * kinds + k :][:2])]
        if tables.lanes[k, :2].any()
    }
    for shown in answer.slate:
        row = rows.get(shown.item)
        if shown.item in ("item3", "item9"):
            assert shown.source == Source.OWN
        elif shown.source == Source.RELATED:
            assert row in near
        elif shown.item == "new":
            assert shown.source == Source.NEW
        else:
            assert shown.source in (Source.HISTORY, Source.POPULAR)
    assert {Source.OWN, Source.RELATED, Source.NEW, Source.HISTORY} <= {
        shown.source for shown in answer.slate
    }


def test_because_names_what_led_to_an_offer() -> None:
    """Own items name the latest act on them, related ones what the tables lead from."""
    answer = asked(event("view", "item3"), event("purchase", "item9", at=NOW - 90 * DAY), count=100)
    tables, rows = stage().retrieval.tables, index(True).release.item_row
    kinds = len(tables.names)
    related = 0
    for shown in answer.slate:
        said = [(because.type, because.item) for because in shown.because]
        assert set(said) <= {("view", "item3"), ("purchase", "item9")}
        if shown.item in ("item3", "item9"):
            assert said[0][1] == shown.item
        elif shown.source == Source.RELATED:
            related += 1
            for item in {item for _, item in said}:
                first, end = tables.starts[np.array([0, kinds]) + rows[item] * kinds]
                assert rows[shown.item] in tables.rows[first:end]
            assert said
    assert related


def test_rates_are_what_the_scores_are_worth() -> None:
    """A rate is the calibration of its score, with the label; new items and cold ones have none."""
    answer = asked(event("view", "item3"), count=100)
    assert answer.label == "ORGANIC"
    calibration = stage().ensembles["default"].calibration
    for shown in answer.slate:
        if shown.item == "new":
            assert shown.rate is None
        else:
            assert shown.rate == calibration.rate(np.array([shown.score / ONE]))[0]
    assert [shown.rate for shown in asked().slate] == [None] * 10


def test_an_answer_tells_sources_rates_and_their_label() -> None:
    """The contract's message says of each offer what the decision does, no rate where none is."""
    decision = asked(event("view", "item3"), count=100)
    response = pb.RecommendResponse()
    rows = catalogue_rows_used(decision, index(True), "")
    recommendation_messages.fill_answer(response, "id", decision, rows)
    assert response.rate_label == pb.RATE_LABEL_ORGANIC
    for shown, told in zip(decision.slate, response.offers, strict=True):
        assert int(told.source) == int(shown.source)
        assert told.HasField("rate") is (shown.rate is not None)
        assert shown.rate is None or told.rate == shown.rate


def test_a_record_of_before_rates_can_be_read() -> None:
    """A decision that was recorded without rates and label is decoded, with neither."""
    decision = asked(event("view", "item3"))
    said = msgspec.msgpack.decode(msgspec.msgpack.encode(decision))
    del said["label"]
    said["slate"] = [shown[:-2] for shown in said["slate"]]
    read = msgspec.convert(said, Decision)
    assert read.label == ""
    assert {shown.rate for shown in read.slate} == {None}


def test_discovery_shows_nothing_known_to_the_customer() -> None:
    """What was touched at any time is withheld as TOUCHED, what leads nothing else with it."""
    events = [event("view", f"item{n}", at=NOW - 300 * DAY) for n in (3, 7, 20)]
    answer = asked(*events, intent="discovery", count=100)
    reasons = {withheld.offer: withheld.reason for withheld in answer.withheld}
    assert reasons["item:item20"] == reasons["item:item3"] == Reason.TOUCHED
    assert reasons["coupon:one"] == reasons["coupon:odd"] == Reason.TOUCHED
    assert not {shown.item for shown in answer.slate} & {"item3", "item7", "item20"}
    plain = asked(*events, count=100)
    assert {"item3", "item7", "item20"} <= {shown.item for shown in plain.slate}
    scores = {shown.item: shown.score for shown in plain.slate}
    assert any(shown.score != scores[shown.item] for shown in answer.slate)


def test_a_customer_without_a_history_is_ranked_by_popularity() -> None:
    """Nobody's history, and one that the release does not know, give the cold answer, flagged."""
    for answer in (asked(), asked(event("view", "unheard-of")), asked(intent="discovery")):
        assert Flag.COLD_START in answer.flags
        assert {shown.source for shown in answer.slate} == {Source.POPULAR}


def test_what_the_release_does_not_know_has_places_of_its_own() -> None:
    """New items are candidates by their features, as many as their quota, bounded by the best."""
    rows = [Item(id=f"new{n}", features={"category": ["a" if n % 2 else "b"]}) for n in range(9)]
    crowded = index(True).update(small_catalogue().apply(2, rows))
    customer = profile(event("view", "item3"), event("view", "item5"))
    answer = decide(
        customer,
        SharedInputs(crowded, Policy(candidates=CandidateCounts(items=20))),
        Request(channel="web"),
        NOW,
    )
    shared = answer.candidates.ids(crowded.release.items)[: answer.shared]
    assert sum(offer.startswith("item:new") for offer in shared) == 2
    best = max(shown.score for shown in answer.slate)
    assert best == max(shown.score for shown in answer.slate if shown.source != Source.NEW)


def test_a_new_item_stands_where_stage_one_puts_it() -> None:
    """Between two candidates by the embedding it scores between the same two places by trees."""
    nears, ranked = np.array([10, 20, 40]), np.array([-7, 100, 110])
    asked_of = np.array([5, 10, 15, 20, 30, 40, 99])
    assert _between(asked_of, nears, ranked).tolist() == [-8, -7, 46, 100, 105, 110, 110]
    assert _between(asked_of, nears[:0], ranked[:0]).tolist() == asked_of.tolist()


def test_context_counts_as_touched_just_now() -> None:
    """An item before the customer leads to its neighbours, and stays withheld as in context."""
    answer = asked(context=(ContextItem("item5"),), count=100, intent="discovery")
    assert Source.RELATED in {shown.source for shown in answer.slate}
    reasons = {withheld.offer: withheld.reason for withheld in answer.withheld}
    assert reasons["item:item5"] == Reason.IN_CONTEXT
    assert offers(answer) != offers(asked(count=100, intent="discovery"))


def test_lanes_of_the_reference_are_those_of_events() -> None:
    """What the reference counts is what a profile remembers by lane."""
    assert {EVENT_TYPES[kind].lane for kind in ("view", "add_to_cart", "purchase", "dismiss")} == {
        *INTERACTION_LANES
    }
