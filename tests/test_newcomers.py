"""Newcomers are in nothing that is learnt, and known by their latest few acts only."""

from dataclasses import replace

import numpy as np
import pytest

from models.catalogue import Item
from tests.test_second_stage import log_of
from training.baselines import prepare
from training.content import content_scores
from training.newcomers import deal, without
from training.questions import questions
from training.splits import Case, Target

pytestmark = pytest.mark.machine


def test_newcomers_are_emptied_and_met_after_a_few_acts() -> None:
    """A share of the customers is emptied; a question knows no more than the latest acts."""
    log = log_of(*["vA vB bC"] * 200, sequence=True)
    gone = deal(log, 0.3, 0)
    assert 30 < gone.sum() < 90
    left = without(log, gone)
    assert [len(customer.events) for customer in left.customers] == [
        0 if out else 3 for out in gone
    ]
    case = Case(0, (Target("D", ""),), None, None)
    for latest, touched in ((0, set()), (1, {"C"}), (2, {"B", "C"}), (9, {"A", "B", "C"})):
        (question,) = questions(log, [case], latest=latest)
        assert question.touched == touched
        assert question.acts == min(latest, 3)


def test_content_scores_by_the_features_in_common() -> None:
    """Shared features score, in shares of what both have; nobody's history goes by popularity."""
    log = log_of("bA", "bB bB", "", sequence=True)
    features = {"A": {"kind": ["x"], "brand": ["p"]}, "B": {"kind": ["y"]}, "C": {"kind": ["x"]}}
    items = {name: Item(id=name, features=said) for name, said in features.items()}
    trained = prepare(log, ["purchase"], sorted(items))
    asked = questions(log, [Case(at, (), None, None) for at in (0, 2)])
    assert content_scores(trained, asked, log) is None
    described = content_scores(trained, asked, replace(log, items=items))
    assert described is not None
    known, nobody = np.concatenate(list(described))
    assert known == pytest.approx([4, 0, 4 / np.sqrt(2)], abs=1e-4)
    assert nobody.argmax() == 1
