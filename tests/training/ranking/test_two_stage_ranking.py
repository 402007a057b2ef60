"""The second stage: tables and features with known answers, bounded candidates, no leaks."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.domain.event_types import INTERACTION_LANES
from models.domain.events import Event
from models.errors import BadDataset
from models.recommender.candidates import neighbour_items
from models.recommender.feature_group import FeatureInputs, MatchFeatures
from models.recommender.features_by_table import greatest_sums
from models.recommender.item_history import NEVER, ItemHistory, item_history_of
from models.recommender.neighbours import NeighbourSums, look_up_neighbours
from models.recommender.ranker_features import feature_matrix, ranker_features
from models.recommender.sources import Quotas, propose_candidates, source_names
from models.recommender.user_features import HistoryConfig
from tests.support.training_logs import EVENLY, SMALL, log_of, shop, small_discovery
from training.counting.candidate_tables import count_retrieval
from training.counting.interactions import interactions_of
from training.counting.item_tables import behaviour_pairs, count_item_tables, item_features
from training.log.event_log import Log
from training.log.order import Bound
from training.log.profile_builder import ProfileBuilder
from training.ranking.calibrate import calibrate, calibration_error
from training.ranking.groups import group_requests, make_groups
from training.ranking.leaks import check_features, check_window
from training.ranking.second_stage import DEFAULT, DISCOVERY, TrainingWindow, fit_second_stage
from training.ranking.settings import IntentConfig
from training.run.config import TrainConfig
from training.splits.cases import Case, Target
from training.splits.eval_cases import discovery_cases, eval_cases_of


def past_in(
    log: Log, customer: int, items: list[str], history: HistoryConfig = EVENLY
) -> ItemHistory:
    """Return the past of one customer of a log."""
    view = ProfileBuilder(log, log.customers[customer].events).view()
    return item_history_of(view, {item: row for row, item in enumerate(items)}, history, 0)


def test_a_past_remembers_lanes_counts_and_order() -> None:
    """Each item has the decay of its latest touch in each lane, its counts, and steps since."""
    log = log_of("vA vB vA cB bC", sequence=True)
    past = past_in(log, 0, ["A", "B", "C"], HistoryConfig(decay="step", factor=0.5))
    assert past.rows.tolist() == [0, 1, 2]
    assert past.counts[:, :3].tolist() == [[2, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert past.strength[:, :3].tolist() == [[0.25, 0, 0], [0.125, 0.5, 0], [0, 0, 1]]
    assert past.steps.tolist() == [2, 1, 0]
    assert past.bought.tolist() == [2]


def test_a_table_counts_who_did_both() -> None:
    """A neighbour weighs damped co-occurrence over the roots of how much both are touched."""
    log = log_of("bA vB", "bA vB vC", "vC")
    items = ["A", "B", "C"]
    found = count_item_tables(interactions_of(log, items, 10), [("purchase", "browse")])
    begin, end = found.starts[:2]
    near = dict(zip(found.rows[begin:end].tolist(), found.weights[begin:end], strict=True))
    first, second = 2**-0.25, 3**-0.25
    assert near == pytest.approx(
        {1: (first + second) / 2, 2: second / 2}, rel=1e-6
    )  # both B and C were viewed twice, A bought twice
    assert found.starts[1:].tolist() == [end] * 3  # B and C were not bought


def test_reading_a_past_sums_and_maximises_over_its_neighbours() -> None:
    """Sums, bests and totals equal those of dense matrices, for every table."""
    log, _ = shop()
    items = sorted(log.items)
    touches = interactions_of(log, items, 50)
    found = count_item_tables(touches, behaviour_pairs(touches))
    past = past_in(log, 5, items)
    neighbours = look_up_neighbours(found, past)
    for k in range(len(found.names)):
        dense = np.zeros((len(items), len(items)))
        for item in range(len(items)):
            place = item * len(found.names) + k
            inside = slice(found.starts[place], found.starts[place + 1])
            dense[item, found.rows[inside]] = found.weights[inside]
        weights = past.strength @ found.lanes[k]
        parts = weights[:, None] * dense[past.rows]
        sums, bests = np.zeros(len(items)), np.zeros(len(items))
        sums[neighbours.rows], bests[neighbours.rows] = (
            neighbours.sums[:, k],
            neighbours.bests[:, k],
        )
        assert sums == pytest.approx(parts.sum(axis=0), abs=1e-5)
        assert bests == pytest.approx(parts.max(axis=0), abs=1e-5)
        assert neighbours.totals[k] == pytest.approx(weights.sum(), rel=1e-5)
    assert (neighbours.slot[neighbours.rows] == np.arange(len(neighbours.rows))).all()


def test_a_table_proposes_its_greatest_sums() -> None:
    """Of each table exactly the allowed items with the greatest sums are proposed."""
    random = np.random.default_rng(4)
    for size in (0, 1, 5, 300):
        rows = random.permutation(400)[:size].astype(np.int64)
        sums = random.random((size, 3)).astype(np.float32)
        sums[random.random((size, 3)) < 0.3] = 0.0
        allowed = random.random(400) < 0.7
        neighbours = NeighbourSums(rows, sums, sums, sums.sum(axis=0), np.zeros(400, np.int32))
        quotas = np.array([0, 4, 90], np.int64)
        found, bits = neighbour_items(neighbours, quotas, allowed)
        for k, most in enumerate(quotas.tolist()):
            at = np.flatnonzero(allowed[rows] & (sums[:, k] > 0))
            right = rows[at[np.argsort(-sums[at, k])[:most]]]
            assert set(found[bits >> k & 1 == 1].tolist()) == set(right.tolist())


def test_candidates_are_bounded_allowed_and_say_where_they_came_from() -> None:
    """No closed item is proposed, no source exceeds its quota, and every candidate names one."""
    log, asked = shop()
    items = sorted(log.items)
    retrieval = count_retrieval(log, ("purchase",), items, interactions_of(log, items, 50), 0, None)
    names = source_names(retrieval.tables.names)
    quotas = Quotas(own=2, tables={"any>any": 3}, other=1, popular=2)
    for question in asked[:40]:
        past = item_history_of(question.view, {i: r for r, i in enumerate(items)}, EVENLY, 0)
        allowed = np.ones(len(items), np.bool_)
        allowed[past.bought] = False
        found = propose_candidates(retrieval, past, quotas, allowed).candidates
        assert allowed[found.rows].all()
        assert (np.diff(found.rows) > 0).all()
        said = [
            [name for bit, name in enumerate(names) if mask >> bit & 1]
            for mask in found.sources.tolist()
        ]
        assert all(said)
        assert sum("own" in sources for sources in said) <= 2
        assert sum("any>any" in sources for sources in said) <= 3
        assert sum("popular" in sources for sources in said) <= 2


def test_features_say_what_they_are_declared_to() -> None:
    """Each declared feature has its column, and those of one item are as counted by hand."""
    log = log_of("vA vB cB bC", "vA bA", "bB vB vD", "bC vD")
    items = ["A", "B", "C", "D"]
    touches = interactions_of(log, items, 10)
    found = count_item_tables(touches, behaviour_pairs(touches))
    past = past_in(log, 0, items)
    rows = np.array([0, 1, 3], np.int64)
    nothing = np.zeros(3, np.float32)
    neighbours = look_up_neighbours(found, past)
    matrix = feature_matrix(
        FeatureInputs(
            rows,
            past,
            neighbours,
            greatest_sums(rows, neighbours),
            MatchFeatures(nothing, nothing),
            item_features(touches),
        )
    )
    names = [signal.name for signal in ranker_features(found.names)]
    assert matrix.shape == (3, len(names))
    assert len(set(names)) == len(names)
    assert np.isfinite(matrix).all()
    values = dict(zip(names, matrix[1].tolist(), strict=True))
    assert (values["browse strength"], values["cart count"], values["purchase count"]) == (1, 1, 0)
    assert (values["browse items"], values["open browsed"], values["open carted"]) == (2, 2, 1)
    assert values["log browses"] == pytest.approx(np.log(3))
    assert matrix[2, names.index("steps since")] == NEVER
    assert len(INTERACTION_LANES) == 4


def test_a_lesson_that_holds_its_answer_is_refused() -> None:
    """A target among the events counted on, or an event after the moment, is a leak and is told."""
    log, asked = shop()
    check_window(log, asked, ("purchase",))
    target = asked[0].case.targets[0].item
    events = log.customers[0].events
    bought = replace_event(events[-1], event_id="leak", item=target)
    leaking = replace(log, customers=(replace(log.customers[0], events=(*events, bought)),))
    with pytest.raises(BadDataset, match="holds its own answer"):
        check_window(leaking, asked[:1], ("purchase",))
    ordered = log_of("vA bB vC bD", sequence=True)
    case = Case(0, (Target("D", ""),), Bound(0, 3), None)
    question = eval_cases_of(ordered, [case])[0]
    with pytest.raises(BadDataset, match="goes beyond its moment"):
        check_window(ordered, [question], ("purchase",))
    future = replace(question, events=ordered.customers[0].events)
    before = replace(ordered.customers[0], events=ordered.customers[0].events[:3])
    with pytest.raises(BadDataset, match="the past goes beyond"):
        check_window(replace(ordered, customers=(before,)), [future], ("purchase",))


def replace_event(event: Event, **changed: str) -> Event:
    """Return an event with some fields changed."""
    return msgspec.structs.replace(event, **changed)


def test_a_feature_that_sees_the_target_is_caught() -> None:
    """Groups of honest features pass; one column that follows the target is named."""
    log, asked = shop()
    items = sorted(log.items)
    retrieval = count_retrieval(log, ("purchase",), items, interactions_of(log, items, 50), 0, None)
    row_of = {item: row for row, item in enumerate(items)}
    groups = make_groups(group_requests(asked, row_of, EVENLY), retrieval, IntentConfig().quotas)
    declared = ranker_features(retrieval.tables.names)
    check_features(groups, declared)
    noise = np.random.default_rng(1).random(len(groups.rows)).astype(np.float32)
    groups.matrix[:, 4] = groups.hit + 0.9 * noise
    with pytest.raises(BadDataset, match=declared[4].name):
        check_features(groups, declared)


def test_what_comes_later_changes_no_candidate_and_no_feature() -> None:
    """Groups of a moment are the same when every event from then on is another."""
    rows = []
    for ending in ("bD vE bF", "bA bA vG"):
        log = log_of(f"vA cB vC {ending}", "vA bB", "bB vC bA vD vE vF vG", sequence=True)
        cases = [Case(0, (Target("D", ""),), Bound(0, 3), None)]
        asked = eval_cases_of(log, cases)
        cut = replace(
            log,
            customers=(
                replace(log.customers[0], events=log.customers[0].events[:3]),
                *log.customers[1:],
            ),
        )
        items = list("ABCDEFG")
        retrieval = count_retrieval(
            cut, ("purchase",), items, interactions_of(cut, items, 50), 0, None
        )
        row_of = {item: row for row, item in enumerate(items)}
        history = HistoryConfig(decay="step", factor=0.9)
        rows.append(make_groups(group_requests(asked, row_of, history), retrieval, Quotas()))
    assert (rows[0].rows == rows[1].rows).all()
    assert (rows[0].matrix == rows[1].matrix).all()


def test_discovery_lists_nothing_touched() -> None:
    """Under discovery every candidate is new to the customer, and so is every target asked for."""
    log, asked = shop()
    items = sorted(log.items)
    row_of = {item: row for row, item in enumerate(items)}
    part = discovery_cases(asked)
    assert 0 < len(part) < len(asked)
    retrieval = count_retrieval(log, ("purchase",), items, interactions_of(log, items, 50), 0, None)
    groups = make_groups(group_requests(part, row_of, EVENLY), retrieval, Quotas())
    for at, question in enumerate(part):
        found = groups.rows[groups.starts[at] : groups.starts[at + 1]]
        assert not {items[row] for row in found.tolist()} & question.touched_items


def test_the_second_stage_learns_and_is_the_same_twice() -> None:
    """Fitted twice it is the same text and lists, and it finds more than chance would."""
    log, asked = shop()
    config = TrainConfig(
        folds=3,
        default=IntentConfig(ranker=SMALL),
        discovery=small_discovery(),
    )
    stages = [
        fit_second_stage(
            [TrainingWindow(log, asked)],
            None,
            ("purchase",),
            EVENLY,
            config.second_stage,
            5,
            lambda step: lambda a, b: None,
        )
        for _ in range(2)
    ]
    for name in (DEFAULT, DISCOVERY):
        one, two = (stage.intents[name] for stage in stages)
        assert one.fitted.trees.text == two.fitted.trees.text
        assert (one.lists == two.lists).all()
        right = [stages[0].items.index(q.case.targets[0].item) for q in one.eval_cases]
        hits = np.mean([row in found for row, found in zip(right, one.lists, strict=True)])
        assert hits > 0.5, name  # five of about seventy items


def test_calibration_never_falls_and_is_right_on_average() -> None:
    """Rates rise with scores, lie between 0 and 1, and meet the share of hits."""
    random = np.random.default_rng(2)
    scores = random.normal(size=20_000)
    hits = random.random(20_000) < 1 / (1 + np.exp(3 - scores))
    found = calibrate(scores[:10_000], hits[:10_000])
    assert (np.diff(found.rates) >= 0).all()
    rates = found.rate(np.sort(scores))
    assert (np.diff(rates) >= 0).all()
    assert 0 <= rates.min() <= rates.max() <= 1
    overall, top = calibration_error(found.rate(scores[10_000:]), hits[10_000:])
    assert overall < 0.01
    assert top < 0.15
