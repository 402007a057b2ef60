"""Popularity: what everybody turned to, of all time or lately."""

from collections.abc import Iterator

import numpy as np

from training.opponents.acts import Acts, Floats
from training.opponents.family import (
    Candidate,
    Family,
    Past,
    Question,
    Ranker,
    shares,
    told,
    wanted,
)

HALF_LIVES = (3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 365.0)


def popular(acts: Acts, half_life: float | None) -> Floats:
    """Return (items,) the target events of each item, decayed, as shares of the greatest."""
    worth = acts.target * acts.decayed(half_life)
    counts = np.bincount(acts.item, worth, minlength=acts.items).astype(np.float64)
    return shares(counts)


def of_all_time(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by its target events, the same for everybody."""
    yield Candidate("", _same_for_all(popular(past.acts, None)))


def lately(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by its target events, each worth half as much after every half-life."""
    for half_life in HALF_LIVES if past.acts.timed else ():
        settings = told(half_life=half_life)
        if wanted(settings, only):
            yield Candidate(settings, _same_for_all(popular(past.acts, half_life)))


def _same_for_all(scores: Floats) -> Ranker:
    def ranker(question: Question) -> Floats:
        return np.tile(scores, (question.acts.rows, 1))

    return ranker


POPULARITY = Family("popularity", of_all_time)
RECENT = Family("recent popularity", lately)
