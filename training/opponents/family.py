"""What an opponent is: a family of rankers, of which one is chosen by its few numbers.

A score is one of a case for an item; `UNKNOWN` where a ranker has nothing to say. Whoever and
whatever is unknown is put below the rest, by recent popularity.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from training.opponents.acts import Acts, Floats, Ints
from training.retrieval.fit import StageOneSettings

UNKNOWN = -np.inf


@dataclass(frozen=True)
class Past:
    """All that opponents learn from.

    `acts` are those of the customers; `features` (items, features) are rows of length 1, or 0, None
    where no item has any. `stage_one` are the settings of LightFM, `seed` is for what is drawn.
    """

    acts: Acts
    features: sparse.csr_matrix | None
    stage_one: StageOneSettings
    seed: int

    @property
    def half_lives(self) -> "HalfLives":
        """Return the decays that are worth trying: none where nothing has a time."""
        return HalfLives(self.acts.timed)


@dataclass(frozen=True)
class HalfLives:
    """Picks among half-lives in days; None is no decay."""

    timed: bool

    def of(self, *days: float | None) -> list[float | None]:
        """Return those of `days` that make a difference."""
        return list(days) if self.timed else [None]


class Question(NamedTuple):
    """Cases to rank items for: what is known of each, and which customer it is, -1 for nobody."""

    acts: Acts
    customers: Ints

    def blocks(self, size: int) -> Iterator["Question"]:
        """Yield `size` cases after another."""
        for number, acts in enumerate(self.acts.blocks(size)):
            first = number * size
            yield Question(acts, self.customers[first : first + acts.rows])


# Scores (cases, items) of a question.
Ranker = Callable[[Question], Floats]


class Candidate(NamedTuple):
    """One ranker of a family: the numbers it was made with, as a person reads them."""

    settings: str
    ranker: Ranker


@dataclass(frozen=True)
class Family:
    """A kind of ranker.

    `rankers` fits each of its settings on a past, or only the one that is named; it yields none
    where the past has not what the family needs. `slow` ones are left out of the quick opponents.
    """

    name: str
    rankers: Callable[[Past, str | None], Iterator[Candidate]]
    slow: bool = False


def scored(found: sparse.csr_matrix) -> Floats:
    """Return sparse scores as a dense matrix, what is not among them `UNKNOWN`."""
    scores = np.full(found.shape, UNKNOWN)
    rows = np.repeat(np.arange(found.shape[0]), np.diff(found.indptr))
    scores[rows, found.indices] = found.data
    return scores


def filled(scores: Floats, popular: Floats) -> Floats:
    """Return scores with what is unknown below the rest, in the order of `popular` (items,).

    `popular` is between 0 and 1.
    """
    known = scores > UNKNOWN
    least = np.where(known, scores, np.inf).min(axis=1, initial=0.0, keepdims=True)
    return np.where(known, scores, least - 2.0 + popular)


def shares(values: Floats) -> Floats:
    """Return values (..., items) divided by the greatest of each row; 0 stays 0."""
    most = values.max(axis=-1, keepdims=True, initial=0.0)
    return values / np.where(most > 0.0, most, 1.0)


def told(**numbers: object) -> str:
    """Return settings as a person reads them, such as `half-life 7 d, weight 0.2`."""
    parts = []
    for name, value in numbers.items():
        words = name.replace("_", " ")
        if words.endswith("half life"):
            words = words.replace("half life", "half-life")
            parts.append(f"{words} {value:g} d" if value else f"no {words}")
        else:
            parts.append(f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}")
    return ", ".join(parts)


def wanted(settings: str, only: str | None) -> bool:
    """Tell whether a family is to fit these settings."""
    return only is None or settings == only
