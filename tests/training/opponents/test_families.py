"""Each family of opponents scores as its formula says; strangers are ranked by what is popular."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from tests.support.training_logs import log_of, shop
from training.evaluation.ranked_lists import score_lists
from training.opponents.acts import WEIGHTS, Acts
from training.opponents.choice import past_of, question_of, scores_of
from training.opponents.ease import regressed
from training.opponents.family import UNKNOWN, Candidate, Past, Question, filled, scored, told
from training.opponents.ials import IALS
from training.opponents.item_knn import cosines
from training.opponents.opponents import FAMILIES
from training.opponents.popularity import POPULARITY, popular
from training.opponents.random_walk import WALK, walks
from training.opponents.tables import cut, nearest
from training.retrieval.fit import StageOneSettings
from training.splits.cases import Case
from training.splits.eval_cases import eval_cases_of

STAGE_ONE = StageOneSettings(dimensions=8, epochs=2)
TARGETS = ("purchase",)


def past(*customers: str) -> Past:
    """Return what opponents learn from a log in words, over its items."""
    log = log_of(*customers, sequence=True)
    return past_of(log, TARGETS, sorted(log.items), STAGE_ONE, 0)


def acts(rows: Sequence[Sequence[float]], days: float = 0.0) -> Acts:
    """Return acts of so many rows and items, each of the weight that a cell says."""
    table = np.array(rows, float)
    row, item = table.nonzero()
    return Acts(
        len(table),
        table.shape[1],
        row,
        item,
        np.full(len(row), days),
        table[row, item],
        np.ones(len(row), np.bool_),
    )


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.6])
def test_the_walk_is_three_steps(beta: float) -> None:
    """From an item to who touched it, to what they touched, over popularity to the beta."""
    random = np.random.default_rng(5)
    touched = (random.random((40, 12)) < 0.3).astype(float)
    by_customer, by_item = touched.sum(axis=1), touched.sum(axis=0)
    expected = np.zeros((12, 12))
    for one in range(12):
        for customer in np.flatnonzero(touched[:, one]):
            for other in np.flatnonzero(touched[customer]):
                step = 1 / by_item[one] / by_customer[customer]
                expected[one, other] += step / by_item[other] ** beta
    weights = sparse.csr_matrix(touched * random.integers(1, 5, touched.shape))
    np.testing.assert_allclose(walks(weights, beta, 12).toarray(), expected)


def test_the_cosine_is_that_of_the_columns() -> None:
    """Item-kNN is near by cosine; nothing is near what nobody touched, nor to itself unasked."""
    weights = np.random.default_rng(3).random((30, 9)) * (np.arange(9) > 0)
    lengths = np.maximum(np.linalg.norm(weights, axis=0), 1e-9)
    expected = weights.T @ weights / lengths / lengths[:, None]
    table = sparse.csr_matrix(weights)
    np.testing.assert_allclose(cosines(table, 9, True).toarray(), expected)
    np.testing.assert_allclose(
        cosines(table, 9, False).toarray(), expected * (1 - np.eye(9)), atol=1e-12
    )
    assert cosines(sparse.csr_matrix((4, 3)), 3, True).nnz == 0


def test_ease_is_a_ridge_regression_of_each_item_on_the_others() -> None:
    """Its column of an item solves the normal equations with that item left out."""
    x = np.random.default_rng(7).random((50, 6))
    gram = (x.T @ x).astype(np.float32)
    weights = regressed(gram, 3.0)
    for item in range(6):
        others = [other for other in range(6) if other != item]
        solved = np.linalg.solve(gram[np.ix_(others, others)] + 3.0 * np.eye(5), gram[others, item])
        np.testing.assert_allclose(weights[others, item], solved, rtol=2e-3)
    assert not weights.diagonal().any()


def test_ials_is_as_good_as_exact_sweeps_by_hand() -> None:
    """Factors of the package order the shop's hidden items as well as thirty lines that solve."""
    log, cases = shop()
    items = sorted(log.items)
    found = past_of(log, TARGETS, items, STAGE_ONE, 0)
    settings = told(factors=32, alpha=2.0, ridge=10.0)
    question = question_of(log, cases, TARGETS, items)
    row_of = {item: row for row, item in enumerate(items)}
    by_hand = _exact(found.acts.weights.toarray(), 32, 2.0, 10.0)
    targets = [[row_of[t.item] for t in case.case.targets if t.item in row_of] for case in cases]

    def hits(candidate: Candidate) -> float:
        fill = popular(found.acts, None)
        lists = score_lists(scores_of(candidate, fill, question), cases, row_of, 10, 0)
        return float(
            np.mean([np.isin(own, rows).mean() for own, rows in zip(targets, lists, strict=True)])
        )

    exact = Candidate("", lambda asked: by_hand[asked.customers].copy())
    ours = hits(next(IALS.rankers(found, settings)))
    assert ours > hits(exact) - 0.03
    assert ours > 2 * hits(next(POPULARITY.rankers(found, None)))


def _exact(weights: np.ndarray, factors: int, alpha: float, ridge: float) -> np.ndarray:
    """Return scores by alternating least squares, each side solved exactly."""
    random = np.random.default_rng(1)
    users = random.normal(0, 0.01, (weights.shape[0], factors))
    items = random.normal(0, 0.01, (weights.shape[1], factors))
    confidence = alpha * weights

    def solved(fixed: np.ndarray, rows: np.ndarray) -> np.ndarray:
        gram = fixed.T @ fixed + ridge * np.eye(factors)
        return np.stack(
            [
                np.linalg.solve(
                    gram + (fixed.T * np.maximum(row - 1, 0)) @ fixed, fixed.T @ np.maximum(row, 0)
                )
                for row in rows
            ]
        )

    for _ in range(10):
        users = solved(items, confidence)
        items = solved(users, confidence.T)
    scores: np.ndarray = users @ items.T
    return scores


def test_popularity_forgets() -> None:
    """What is bought counts by half for each half-life, and events without a time as the oldest."""
    now = acts([[1, 0], [1, 1]])
    assert popular(now, None).tolist() == [1.0, 0.5]
    days = np.array([30.0, np.nan, 0.0])
    mixed = Acts(2, 2, now.row, now.item, days, now.weight, now.target)
    np.testing.assert_allclose(popular(mixed, 30.0), [1.0, 1.0])


def test_what_is_not_known_is_below_and_by_popularity() -> None:
    """An item without a score stands below each that has one, in the order of what is popular."""
    scores = scored(sparse.csr_matrix(np.array([[0.0, -5.0, 2.0, 0.0], [0.0] * 4])))
    order = (-filled(scores, np.array([0.1, 0.2, 0.3, 1.0]))).argsort(axis=1)
    assert order.tolist() == [[2, 1, 3, 0], [3, 2, 1, 0]]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 3), min_size=6, max_size=6), min_size=2, max_size=8),
    st.permutations(range(6)),
)
def test_names_of_items_make_no_difference(rows: list[list[int]], order: list[int]) -> None:
    """Items in another order have the same scores by every family that draws nothing."""
    made, other = acts(rows), acts([[row[at] for at in order] for row in rows])
    for family in FAMILIES:
        if family.name in ("iALS", "LightFM by customer", "content similarity"):
            continue
        pairs = zip(
            family.rankers(Past(made, None, STAGE_ONE, 0), None),
            family.rankers(Past(other, None, STAGE_ONE, 0), None),
            strict=True,
        )
        for one, two in pairs:
            nobody = np.full(len(rows), -1)
            first = one.ranker(Question(made, nobody))
            second = two.ranker(Question(other, nobody))
            np.testing.assert_allclose(first[:, order], second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_stranger_is_shown_what_is_popular(family: object) -> None:
    """Who has no history is ranked by popularity under every family, one list for all of them."""
    assert family in FAMILIES
    log = log_of("bA bA bB", "bA bB", "bC vD", sequence=True)
    items = sorted(log.items)
    found = past_of(log, TARGETS, items, STAGE_ONE, 0)
    question = question_of(log, eval_cases_of(log, [Case(None, (), None, None)]), TARGETS, items)
    fill = popular(found.acts, None)
    for candidate in family.rankers(found, None):  # type: ignore[attr-defined]
        (scores,) = scores_of(candidate, fill, question)
        assert (-scores[0]).argsort(kind="stable").tolist() == [0, 1, 2, 3]


@given(st.lists(st.lists(st.integers(0, 9), min_size=5, max_size=5), min_size=5, max_size=5))
def test_a_table_is_cut_to_the_greatest(rows: list[list[int]]) -> None:
    """A table cut to n neighbours is the one that was made with n, but for ties."""
    matrix = sparse.csr_matrix(np.array(rows, float))
    unit = sparse.identity(5, format="csr")
    whole, two = nearest(matrix, unit, 5, True), nearest(matrix, unit, 2, True)
    np.testing.assert_array_equal(whole.toarray(), matrix.toarray())
    np.testing.assert_array_equal(
        np.sort(cut(whole, 2).toarray(), axis=1), np.sort(two.toarray(), axis=1)
    )


def test_one_setting_alone_is_what_it_was_among_all() -> None:
    """A family that is asked for one of its settings makes the very ranker of these."""
    found = past("vA bB bC vA", "bA bB vD", "vB bC bD", "bA vC")
    question = Question(found.acts, np.arange(4))
    for family in FAMILIES:
        for candidate in family.rankers(found, None):
            (alone,) = family.rankers(found, candidate.settings)
            np.testing.assert_array_equal(candidate.ranker(question), alone.ranker(question))
            assert alone.settings == candidate.settings


def test_weights_are_of_lanes() -> None:
    """A purchase weighs more than a basket, and that more than a look."""
    found = past("vA cB bC")
    assert found.acts.weights.toarray().tolist() == [sorted(WEIGHTS.values())]
    assert found.acts.targets.toarray().tolist() == [[0, 0, 1]]
    assert np.isnan(found.acts.days).all()
    assert len(list(WALK.rankers(found, None))) == 18  # no half-lives: nothing has a time
    assert -np.inf == UNKNOWN
