"""Newcomers: customers kept out of all that is learnt and counted, met after a few acts.

A log has few people in their first minutes. A share of the customers is dealt out as if they had
never been there, and each is asked about as if only the latest 0, 1, 3 or 5 acts were known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.features import HistoryConfig
from training.config import IntentConfig
from training.groups import asked_of, make_groups
from training.log import Log
from training.questions import Question, questions
from training.ranked import Lists
from training.second_stage import Ranked, SecondStage, lists_of
from training.slices import ALL, Measured, answers, measure
from training.splits import Case

KNOWN = (0, 1, 3, 5)

Others = Callable[[Sequence[Question]], Mapping[str, Lists]]


def deal(log: Log, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which customers of `log` (customers,) are newcomers, `share` of them."""
    random = np.random.default_rng([seed, 13])
    return random.random(len(log.customers)) < share


def without(log: Log, gone: NDArray[np.bool_]) -> Log:
    """Return `log` with the customers that `gone` marks emptied."""
    kept = (
        replace(customer, events=()) if out else customer
        for customer, out in zip(log.customers, gone.tolist(), strict=True)
    )
    return replace(log, customers=tuple(kept))


def measure_newcomers(
    log: Log,
    cases: Sequence[Case],
    stage: SecondStage,
    ranked: Ranked,
    intent: IntentConfig,
    history: HistoryConfig,
    others: Others,
    model: str,
    ks: tuple[int, ...],
    seed: int,
) -> list[Measured]:
    """Measure `ranked` and the lists of `others` on `cases`, the slice being the acts known."""
    row_of = {item: row for row, item in enumerate(stage.items)}
    found = []
    for known in KNOWN:
        asked = questions(log, cases, latest=known)
        groups = make_groups(asked_of(asked, row_of, history), stage.retrieval, intent.quotas)
        scores = ranked.fitted.trees.score(groups.matrix)
        lists = {model: lists_of(groups, scores, len(asked), max(ks), seed), **others(asked)}
        answered = answers(asked, stage.items, frozenset(stage.items))
        found += [
            replace(one, slice=f"{known} events known")
            for one in measure(lists, answered, len(stage.items), ks, seed)
            if one.slice == ALL
        ]
    return found
