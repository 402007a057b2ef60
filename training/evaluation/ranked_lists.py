"""Ranked lists: how a release, or a matrix of scores, orders the items for each case.

All lists are rows of the same sorted items, -1 where a list ends early, so that every ranker is
measured by the same code.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.domain.catalogue import Catalogue, Item
from models.domain.decisions import Intent
from models.numeric.array_types import NO_ROWS
from models.policy.schema import BUILT_IN
from models.ranking.candidate_scope import CandidateScope
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import OfferRanker
from models.ranking.scorers import scorer_for
from models.release.release import Release
from training.progress import Progress, no_progress
from training.splits.eval_cases import EvalCase, RankedLists

BLOCK = 256  # cases scored at once


def release_lists(
    release: Release,
    eval_cases: Sequence[EvalCase],
    limit: int,
    progress: Progress = no_progress,
    intent: str = Intent.DEFAULT,
) -> RankedLists:
    """Return (cases, limit) rows of `sorted(release.items)` as the service would rank them.

    It chooses among the default offers of all items, with no policy, no stock and no cool-down.
    """
    index = OfferIndex(release, Catalogue(1, {item: Item(id=item) for item in release.items}))
    row_of = {item: row for row, item in enumerate(sorted(release.items))}
    lists = np.full((len(eval_cases), limit), -1, np.int64)
    all_items = index.rows.allow(np.arange(index.rows.item_count) < index.rows.items)
    candidate_limit = max(limit, BUILT_IN.candidates.items)
    for at, eval_case in enumerate(eval_cases):
        masked = np.array(sorted(masked_rows(eval_case, row_of)), np.int64)
        scope = CandidateScope(candidate_limit, all_items, masked)
        scorer = scorer_for(index, eval_case.view, intent, eval_case.minute, scope)
        rows = OfferRanker(index, NO_ROWS, scorer).rank(scorer.candidates).rows[:limit]
        lists[at, : len(rows)] = rows
        if at % BLOCK == 0:
            progress(at, len(eval_cases))
    progress(len(eval_cases), len(eval_cases))
    return lists


def score_lists(
    blocks: Iterator[NDArray[np.float64]],
    eval_cases: Sequence[EvalCase],
    row_of: dict[str, int],
    limit: int,
    seed: int,
) -> RankedLists:
    """Return lists (cases, limit) from scores, in blocks of (up to `BLOCK` cases, items).

    Equal scores are ordered at random under `seed`: an order by item could give the target away.
    """
    items = len(row_of)
    length = min(limit, items)
    shuffled = np.random.default_rng([seed, 4]).permutation(items)
    lists = np.full((len(eval_cases), limit), -1, np.int64)
    first = 0
    for scores in blocks:
        for at in range(len(scores)):
            scores[at, masked_rows(eval_cases[first + at], row_of)] = -np.inf
        scores = scores[:, shuffled]
        top = np.argpartition(-scores, length - 1, axis=1)[:, :length]
        top.sort(axis=1)
        best = np.take_along_axis(scores, top, axis=1)
        order = np.argsort(-best, axis=1, kind="stable")
        rows = shuffled[np.take_along_axis(top, order, axis=1)]
        rows[np.take_along_axis(best, order, axis=1) == -np.inf] = -1
        lists[first : first + len(scores), :length] = rows
        first += len(scores)
    return lists


def masked_rows(eval_case: EvalCase, row_of: dict[str, int]) -> list[int]:
    """Return the rows of the items that may not be listed for a case."""
    return [row_of[item] for item in eval_case.masked_items if item in row_of]
