"""New items among themselves: which of the items that nobody had touched did a customer turn to.

In a list of all items one without interactions is behind thousands with some. Ranked among new
items only, it shows what a ranker makes of features alone; one that counts purchases is at chance.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Rows
from models.numeric.fixed import ONE
from models.recommender.item_history import item_history_of
from models.recommender.new_items import NewItems
from models.recommender.user_vector import place_customer
from models.release.release import Release
from training.evaluation.incumbent import MODEL
from training.evaluation.ranked_lists import BLOCK, score_lists
from training.evaluation.slices import ALL, Measurement, case_targets, measure
from training.log.event_log import Log
from training.splits.eval_cases import EvalCase

SLICE = "new items among themselves"

# Scores (cases, items), block by block of cases.
Scores = Iterator[NDArray[np.float64]]
CompareScores = Callable[[Sequence[EvalCase]], Mapping[str, Scores]]


def measure_new_items(
    release: Release,
    eval_cases: Sequence[EvalCase],
    log: Log,
    stage_one: str,
    compare: CompareScores,
    ks: tuple[int, ...],
    seed: int,
) -> list[Measurement]:
    """Measure how `release` ranks new items, and compare it with its stage one, called `stage_one`.

    `compare` returns the scores of further rankers by their names. An item is new if no event of
    `log`, which all learnt from, is about it. Only cases with a new target count, and only new
    items are listed. Returns nothing where there is no such case.
    """
    row_of = {item: row for row, item in enumerate(release.items)}
    touched = {event.item for customer in log.customers for event in customer.events if event.item}
    new = np.array([item not in touched for item in release.items], np.bool_)
    new_cases = [
        new_case
        for eval_case in eval_cases
        if (new_case := _of_new(eval_case, row_of, touched)).case.targets
    ]
    if not new_cases:
        return []
    stage = release.second_stage
    rows = np.flatnonzero(new)
    scores: Mapping[str, Scores | None] = {
        MODEL: stage and _by_features(release, stage.retrieval.buyers, log, new_cases, rows),
        stage_one: _by_stage_one(release, new_cases),
        **compare(new_cases),
    }
    lists = {
        name: score_lists(_among(blocks, new), new_cases, row_of, max(ks), seed)
        for name, blocks in scores.items()
        if blocks is not None
    }
    targets = case_targets(new_cases, release.items, frozenset(touched))
    return [
        replace(measurement, slice=SLICE)
        for measurement in measure(lists, targets, len(release.items), ks, seed)
        if measurement.slice == ALL
    ]


def _of_new(eval_case: EvalCase, row_of: Mapping[str, int], touched: set[str]) -> EvalCase:
    """Return the case with only the targets that are new and in the release."""
    targets = tuple(
        target
        for target in eval_case.case.targets
        if target.item in row_of and target.item not in touched
    )
    return replace(eval_case, case=replace(eval_case.case, targets=targets))


def _by_features(
    release: Release,
    buyers: NDArray[np.float64],
    log: Log,
    eval_cases: Sequence[EvalCase],
    rows: Rows,
) -> Scores:
    """Yield scores (cases, items) as a release with a second stage has them, block by block."""
    model = NewItems([log.items[item].features for item in release.items], buyers, rows)
    for first in range(0, len(eval_cases), BLOCK):
        block = eval_cases[first : first + BLOCK]
        scores = np.zeros((len(block), len(release.items)))
        for at, eval_case in enumerate(block):
            past = item_history_of(
                eval_case.view, release.item_row, release.history, eval_case.minute
            )
            scores[at, rows] = model.scores(past.rows, past.interactions)
        yield scores


def _by_stage_one(release: Release, eval_cases: Sequence[EvalCase]) -> Scores:
    for first in range(0, len(eval_cases), BLOCK):
        placed = [
            place_customer(eval_case.view, release, eval_case.minute).vector / ONE
            for eval_case in eval_cases[first : first + BLOCK]
        ]
        yield np.stack(placed) @ release.vectors.T.astype(np.float64)


def _among(blocks: Scores, listed: NDArray[np.bool_]) -> Iterator[NDArray[np.float64]]:
    """Yield scores with -inf for all but the `listed` items (items,), which keeps others out."""
    for scores in blocks:
        scores[:, ~listed] = -np.inf
        yield scores
