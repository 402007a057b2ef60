"""Newcomers are in nothing that is learnt; new items are ranked among themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.domain.catalogue import Item
from tests.support.training_logs import log_of
from training.evaluation.cold_users import deal_cold_users, without_customers
from training.evaluation.new_items import Scores, measure_new_items
from training.opponents.choice import past_of, question_of, scores_of
from training.opponents.content import CONTENT
from training.opponents.opponents import make_opponents
from training.opponents.popularity import POPULARITY, popular
from training.retrieval.fit import StageOneSettings
from training.retrieval.stage_one import fit_content, history_for
from training.run.config import TrainConfig
from training.run.release import in_memory, manifest_fields
from training.splits.cases import Case, Target
from training.splits.eval_cases import EvalCase, eval_cases_of

pytestmark = pytest.mark.machine

TARGETS = ("purchase",)
STAGE_ONE = StageOneSettings(dimensions=8, epochs=1)


def test_newcomers_are_emptied_and_met_after_a_few_acts() -> None:
    """A share of the customers is emptied; a question knows no more than the latest acts."""
    log = log_of(*["vA vB bC"] * 200, sequence=True)
    gone = deal_cold_users(log, 0.3, 0)
    assert 30 < gone.sum() < 90
    left = without_customers(log, gone)
    assert [len(customer.events) for customer in left.customers] == [
        0 if out else 3 for out in gone
    ]
    case = Case(0, (Target("D", ""),), None, None)
    for latest, touched in ((0, set()), (1, {"C"}), (2, {"B", "C"}), (9, {"A", "B", "C"})):
        (question,) = eval_cases_of(log, [case], latest=latest)
        assert question.touched_items == touched
        assert question.interaction_count == min(latest, 3)


def test_content_scores_by_the_features_in_common() -> None:
    """Shared features score, in shares of what both have; nobody's history goes by popularity."""
    log = log_of("bA", "bB bB", "", sequence=True)
    features = {"A": {"kind": ["x"], "brand": ["p"]}, "B": {"kind": ["y"]}, "C": {"kind": ["x"]}}
    items = {name: Item(id=name, features=said) for name, said in features.items()}
    assert not list(CONTENT.rankers(past_of(log, TARGETS, sorted(items), STAGE_ONE, 0), None))
    described = past_of(replace(log, items=items), TARGETS, sorted(items), STAGE_ONE, 0)
    asked = eval_cases_of(log, [Case(at, (), None, None) for at in (0, 2)])
    (content,) = CONTENT.rankers(described, None)
    fill = popular(described.acts, None)
    (scores,) = scores_of(content, fill, question_of(log, asked, TARGETS, sorted(items)))
    known, nobody = scores
    assert known[[0, 2]] == pytest.approx([4, 4 / np.sqrt(2)])
    assert known[1] < 0
    assert nobody.argmax() == 1


def test_new_items_are_ranked_among_themselves() -> None:
    """Only what no event is about is listed, and only a target of that kind makes a case."""
    log = log_of("bA", "bB bB", "bB", sequence=True)
    kinds = {"A": "x", "B": "y", "C": "x", "D": "y"}
    items = {name: Item(id=name, features={"kind": [kind]}) for name, kind in kinds.items()}
    log = replace(log, items=items)
    cases = [Case(0, (Target("C", ""), Target("B", "")), None, None)]
    cases += [Case(1, (Target("D", ""),), None, None), Case(2, (Target("A", ""),), None, None)]
    history = history_for(log)
    settings = StageOneSettings(dimensions=8, epochs=1, least_rows=1, least_items=1)
    content = fit_content(log, ("purchase",), history, settings, 0, lambda done, of: None)
    release = in_memory(content, manifest_fields(log, ("purchase",), history, TrainConfig(), ""))
    asked = eval_cases_of(log, cases)
    families = [CONTENT, POPULARITY]
    others = make_opponents(
        log, None, TARGETS, release.items, families, settings, 0, lambda step: lambda done, of: None
    )

    def compared(new_cases: Sequence[EvalCase]) -> Mapping[str, Scores]:
        return {one.name: others.scores(one.name, "default", new_cases) for one in families}

    found = measure_new_items(release, asked, log, "one", compared, (1, 2), 0)
    names = ["one", CONTENT.name, POPULARITY.name]
    assert [(one.ranker, one.n) for one in found] == [(name, 2) for name in names]
    by = {one.ranker: one.metrics for one in found}
    assert by[CONTENT.name]["recall@1"][0] == 1.0
    assert all(metrics["recall@2"][0] == 1.0 for metrics in by.values())
    assert not measure_new_items(release, asked[2:], log, "one", compared, (1,), 0)
