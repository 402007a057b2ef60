"""Own counts: what a customer turned to before, alone or with what everybody turns to lately."""

from collections.abc import Iterator

from training.opponents.acts import Acts, Floats
from training.opponents.family import (
    Candidate,
    Family,
    Past,
    Question,
    Ranker,
    scored,
    shares,
    told,
    wanted,
)
from training.opponents.popularity import popular

WEIGHTS = (0.05, 0.2, 0.5, 0.8)


def own(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Score an item by the weight of the customer's own events on it."""
    for half_life in past.half_lives.of(14.0, 60.0, None):
        settings = told(half_life=half_life)
        if wanted(settings, only):
            yield Candidate(settings, _own(half_life))


def own_and_recent(past: Past, only: str | None = None) -> Iterator[Candidate]:
    """Mix own counts with popularity: each a share of its greatest, with weights that sum to 1."""
    for recent in past.half_lives.of(7.0, 30.0, 120.0):
        everybody = popular(past.acts, recent)
        for half_life in past.half_lives.of(60.0, None):
            for weight in WEIGHTS:
                settings = told(weight=weight, half_life=half_life, recent_half_life=recent)
                if wanted(settings, only):
                    yield Candidate(settings, _mixed(half_life, everybody, weight))


def _own(half_life: float | None) -> Ranker:
    def ranker(question: Question) -> Floats:
        acts = question.acts
        return scored(acts.matrix(acts.weight * acts.decayed(half_life)))

    return ranker


def _mixed(half_life: float | None, everybody: Floats, weight: float) -> Ranker:
    def ranker(question: Question) -> Floats:
        return (1.0 - weight) * shares(_profile(question.acts, half_life)) + weight * everybody

    return ranker


def _profile(acts: Acts, half_life: float | None) -> Floats:
    profile: Floats = acts.matrix(acts.weight * acts.decayed(half_life)).toarray()
    return profile


OWN = Family("own counts", own)
OWN_AND_RECENT = Family("own counts + recent popularity", own_and_recent)
