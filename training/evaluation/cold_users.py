"""Newcomers: customers kept out of all that is learnt and counted, met after a few acts.

A log has few people in their first minutes. A share of the customers is dealt out as if they had
never been there, and each is asked about as if only the latest 0, 1, 3 or 5 acts were known.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.release.release import Release
from training.evaluation.ranked_lists import release_lists
from training.evaluation.slices import ALL, Measurement, case_targets, measure
from training.log.event_log import Log
from training.splits.cases import Case
from training.splits.eval_cases import EvalCase, RankedLists, eval_cases_of

KNOWN = (0, 1, 3, 5)

CompareRankers = Callable[[Sequence[EvalCase]], Mapping[str, RankedLists]]


def deal_cold_users(log: Log, share: float, seed: int) -> NDArray[np.bool_]:
    """Return which customers of `log` (customers,) are newcomers, `share` of them."""
    random = np.random.default_rng([seed, 13])
    return random.random(len(log.customers)) < share


def without_customers(log: Log, left_out: NDArray[np.bool_]) -> Log:
    """Return `log` with the customers that `gone` marks emptied."""
    kept = (
        replace(customer, events=()) if out else customer
        for customer, out in zip(log.customers, left_out.tolist(), strict=True)
    )
    return replace(log, customers=tuple(kept))


def measure_cold_users(
    release: Release,
    log: Log,
    cases: Sequence[Case],
    compare_rankers: CompareRankers,
    model: str,
    ks: tuple[int, ...],
    seed: int,
) -> list[Measurement]:
    """Measure `release`, called `model`, and the lists of `others`, as the service would rank.

    The slice of each figure is the acts known of the customers of `cases`, out of their `log`.
    """
    found = []
    for known in KNOWN:
        asked = eval_cases_of(log, cases, latest=known)
        lists = {model: release_lists(release, asked, max(ks)), **compare_rankers(asked)}
        answered = case_targets(asked, release.items, frozenset(release.items))
        found += [
            replace(one, slice=f"{known} events known")
            for one in measure(lists, answered, len(release.items), ks, seed)
            if one.slice == ALL
        ]
    return found
