"""How well a property tells what sold more than its like: the share of pairs in right order.

Things (items or customers) are compared within strata: those of which about as much was seen
before. What a property knows beyond that is taste and season, and little; or the future.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Share of the pairs that a property must put in any order: of fewer it says nothing. A flag that a
# twentieth has is looked at.
TOLD = 0.05
NUMBERS = 0.9  # share of values that are numbers, from which a property is looked at as one
DISTINCT = 10  # fewer values are categories, also where they are written as numbers


def strata_of(seen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stratum of each thing, by how much was seen of it: 1, 2 to 3, 4 to 7, ..."""
    return np.floor(np.log2(1 + seen)).astype(np.int64)


def above_median(counts: NDArray[np.int64], strata: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which things have a larger count than the median of their stratum."""
    above = np.zeros(len(counts), dtype=bool)
    for stratum in np.unique(strata):
        inside = strata == stratum
        above[inside] = counts[inside] > np.median(counts[inside])
    return above


def concordance(
    values: Sequence[Sequence[str]], positive: NDArray[np.bool_], strata: NDArray[np.int64]
) -> float:
    """Return the share, in [0, 1], of pairs of a stratum that a property puts in right order.

    A pair is a positive and another thing. Those that it ties do not count (so it is Goodman and
    Kruskal's gamma, moved to [0, 1]): a flag that only positives have is right however few have it.
    A number orders things as it is, in either direction. Values of categories order them by their
    share of positives among the other half of the things, so that no value knows its own thing.
    """
    shares = [_by_category(values, positive, strata)]
    numbers = _as_numbers(values)
    if numbers is not None:
        share = _ordered(numbers, positive, strata)
        shares += [share, 1 - share]
    return max(shares)


def _by_category(
    values: Sequence[Sequence[str]], positive: NDArray[np.bool_], strata: NDArray[np.int64]
) -> float:
    _, inverse = np.unique(strata, return_inverse=True)
    surplus = positive - (np.bincount(inverse, positive) / np.bincount(inverse))[inverse]
    things = np.repeat(np.arange(len(values)), [max(1, len(one)) for one in values])
    # Having no value is a value, too.
    _, codes = np.unique([name for one in values for name in (one or [""])], return_inverse=True)
    half = np.random.default_rng(0).permutation(len(values)) % 2
    scores = np.zeros(len(values))
    for fold in (0, 1):
        known, asked = half[things] != fold, half[things] == fold
        total = np.bincount(codes[known], surplus[things[known]], codes.max() + 1)
        of_value = total / (1 + np.bincount(codes[known], minlength=codes.max() + 1))
        scores += np.bincount(things[asked], of_value[codes[asked]], len(values))
    return _ordered(scores, positive, 2 * inverse + half)


def _as_numbers(values: Sequence[Sequence[str]]) -> NDArray[np.float64] | None:
    numbers = np.full(len(values), np.nan)
    for at, one in enumerate(values):
        try:
            numbers[at] = float(one[0]) if len(one) == 1 else np.nan
        except ValueError:
            continue
    known = np.isfinite(numbers)
    if known.mean() < NUMBERS or len(np.unique(numbers[known])) < DISTINCT:
        return None
    return np.where(known, numbers, numbers[known].min() - 1)


def _ordered(
    scores: NDArray[np.float64], positive: NDArray[np.bool_], strata: NDArray[np.int64]
) -> float:
    """Return the share of the pairs that scores do not tie in which the positive has the higher."""
    won = tied = pairs = 0.0
    for stratum in np.unique(strata):
        hits = np.sort(scores[(strata == stratum) & positive])
        others = np.sort(scores[(strata == stratum) & ~positive])
        below, up_to = (np.searchsorted(others, hits, side).sum() for side in ("left", "right"))
        won += float(below)
        tied += float(up_to - below)
        pairs += len(hits) * len(others)
    told = pairs - tied
    return won / told if told > TOLD * pairs else 0.5
