"""Fixed-point arithmetic: compiled loops give what Python's own whole numbers give."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.numeric.fixed import ONE, dot, product, top_by_score, weighted_sum

TABLE: NDArray[np.int32] = (
    np.random.default_rng(0).integers(-(2**26) + 1, 2**26, (30, 8)).astype(np.int32)
)
rows = st.lists(st.integers(0, 29), max_size=20).map(lambda found: np.array(found, np.int64))


def numbers(most: int, size: int) -> st.SearchStrategy[NDArray[np.int64]]:
    """Return arrays of `size` numbers of at most `most`."""
    one = st.integers(-most, most)
    return st.lists(one, min_size=size, max_size=size).map(lambda found: np.array(found, np.int64))


def rounded(exact: int) -> int:
    """Round a product of two fixed-point numbers half up."""
    return (exact + ONE // 2) // ONE


@given(rows, st.sampled_from([2**22, 2**31 - 1, 2**33]).flatmap(lambda most: numbers(most, 8)))
def test_dot_is_exact(found: NDArray[np.int64], vector: NDArray[np.int64]) -> None:
    """A score is the whole-number inner product, rounded half up, narrow and wide vectors alike."""
    wanted = [
        rounded(sum(int(a) * int(b) for a, b in zip(TABLE[row], vector, strict=True)))
        for row in found
    ]
    assert dot(TABLE, found, vector).tolist() == wanted


@given(rows.flatmap(lambda found: st.tuples(st.just(found), numbers(2**22, len(found)))))
def test_weighted_sum_is_exact(pair: tuple[NDArray[np.int64], NDArray[np.int64]]) -> None:
    """The weighted sum of rows is the whole-number sum, rounded half up."""
    found, weights = pair
    wanted = [
        rounded(sum(int(TABLE[row, j]) * int(w) for row, w in zip(found, weights, strict=True)))
        for j in range(8)
    ]
    assert weighted_sum(TABLE, found, weights).tolist() == wanted


@given(st.lists(st.integers(-5, 5), max_size=200), st.integers(0, 60))
def test_best_are_the_first_of_all_sorted(scores: list[int], most: int) -> None:
    """The best are the first by descending score, then by rank, however many tie."""
    ranks = np.random.default_rng(len(scores)).permutation(len(scores)).astype(np.int64)
    order = sorted(range(len(scores)), key=lambda at: (-scores[at], ranks[at]))
    assert top_by_score(np.array(scores, np.int64), ranks, most).tolist() == order[:most]


@given(st.integers(-(2**40), 2**40), st.integers(-(2**20), 2**20))
def test_product_rounds_half_up(a: int, b: int) -> None:
    """A product is the exact one, rounded half up."""
    assert product(a, b) == rounded(a * b)
