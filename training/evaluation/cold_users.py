"""Cold users: customers kept out of all that is learnt, and measured with little known of them.

A log has few customers in their first minutes. So a share of the customers is left out of training
as if they had never been there, and cases of these are measured with 0, 1, 3 and 5 interactions
known.
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

KNOWN = (0, 1, 3, 5)  # the latest interactions of a cold user that are known

CompareRankers = Callable[[Sequence[EvalCase]], Mapping[str, RankedLists]]


def deal_cold_users(log: Log, share: float, seed: int) -> NDArray[np.bool_]:
    """Return (customers,): which of `log` are cold users, about `share` of them, under `seed`."""
    random = np.random.default_rng([seed, 13])
    return random.random(len(log.customers)) < share


def without_customers(log: Log, left_out: NDArray[np.bool_]) -> Log:
    """Return `log` with no events of the customers that `left_out` (customers,) marks."""
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
    """Measure `release` as the service would rank, under the name `model`, and compare rankers.

    `compare_rankers` returns lists by ranker. `cases` are of cold users, whose events are in `log`.
    The slice of each measurement is how many interactions are known.
    """
    measured = []
    for known in KNOWN:
        eval_cases = eval_cases_of(log, cases, latest=known)
        lists = {model: release_lists(release, eval_cases, max(ks)), **compare_rankers(eval_cases)}
        targets = case_targets(eval_cases, release.items, frozenset(release.items))
        measured += [
            replace(measurement, slice=f"{known} events known")
            for measurement in measure(lists, targets, len(release.items), ks, seed)
            if measurement.slice == ALL
        ]
    return measured
