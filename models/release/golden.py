"""Golden requests: synthetic customers, and the items a release must rank first for them.

They are answered without FAISS, catalogue or policy, stage one by exact full scoring, so a release
gives the very same numbers wherever it is loaded; other numbers mean that it was not loaded as it
was made.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.clock_time import DAY
from models.domain.entry import Entry
from models.domain.event_types import BROWSE, EVENT_TYPES, INTERACTION_LANES
from models.domain.rule_history import RuleHistory
from models.domain.view import View
from models.errors import BadRelease
from models.numeric.fixed import dot, to_fixed
from models.recommender.item_history import item_history_of
from models.recommender.ranker import rank_candidates
from models.recommender.segments import segments_of
from models.recommender.user_vector import place_customer
from models.release.manifest import GOLDEN, Golden, GoldenEvent
from models.release.release import Release


def answer_golden(
    release: Release, history: Sequence[GoldenEvent], attributes: Mapping[str, str], limit: int
) -> tuple[tuple[str, int], ...]:
    """Return the `limit` items that stage one ranks first for a synthetic customer, with scores.

    An event `step` events before the newest is that many days old. Scores are in units of 2^-20;
    equal ones stand in the order of the release's items.
    """
    customer = place_customer(_view(history, attributes), release, 0)
    if customer.cold:
        table = release.popularity_fixed[customer.segments].astype(np.int64)
        scores = table.sum(axis=0) // len(customer.segments)
    else:
        every = np.arange(len(release.items))
        scores = dot(to_fixed(release.vectors), every, customer.vector) + customer.bias
    order = np.argsort(-scores, kind="stable")[:limit]
    return tuple((release.items[row], int(scores[row])) for row in order)


def answer_ranked(
    release: Release, history: Sequence[GoldenEvent], limit: int
) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return, for each intent, what the second stage ranks first: likewise, of all candidates.

    Nothing is returned where there is no second stage.
    """
    stage = release.second_stage
    if stage is None:
        return {}
    view = _view(history, {})
    item_history = item_history_of(view, release.item_row, release.history, 0)
    segments = segments_of(view)
    items = len(release.items)
    every, tie_ranks = np.ones(items, np.bool_), np.arange(items)
    found = {}
    for intent in sorted(stage.ensembles):
        rows, scores, _ = rank_candidates(stage, intent, item_history, segments, every, tie_ranks)
        best = zip(rows[:limit].tolist(), scores[:limit].tolist(), strict=True)
        found[intent] = tuple((release.items[row], score) for row, score in best)
    return found


def make_golden(
    release: Release, history: tuple[GoldenEvent, ...], attributes: dict[str, str], limit: int
) -> Golden:
    """Return the golden request of a synthetic customer, answered by both stages."""
    return Golden(
        history=history,
        attributes=attributes,
        expected=answer_golden(release, history, attributes, limit),
        ranked=answer_ranked(release, history, limit),
    )


def check_golden(release: Release, golden: Golden) -> None:
    """Raise `BadRelease` unless `release` answers `golden` as it must."""
    answered = answer_golden(release, golden.history, golden.attributes, len(golden.expected))
    ranked = answer_ranked(
        release, golden.history, max(map(len, golden.ranked.values()), default=0)
    )
    if answered != golden.expected or ranked != golden.ranked:
        raise BadRelease(f"{GOLDEN}: a golden request is answered otherwise")


def _view(history: Sequence[GoldenEvent], attributes: Mapping[str, str]) -> View:
    lanes: dict[str, list[Entry]] = {}
    for at, event in enumerate(history):
        like = EVENT_TYPES.get(event.type)
        lane = BROWSE if like is None else like.lane
        entry = Entry(1, -event.step * DAY, at, event.type, event.channel, event.item, "")
        lanes.setdefault(lane if lane in INTERACTION_LANES else BROWSE, []).append(entry)
    ordered = {lane: tuple(sorted(entries)) for lane, entries in lanes.items()}
    return View(ordered, attributes, RuleHistory((), ordered, former=False))
