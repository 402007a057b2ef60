"""Leaks: what a lesson must not contain, and features that know too much.

A model that has seen the answer measures beautifully and sells nothing. Lessons are checked before
anything is counted on them, and every feature is asked how often it alone finds the target: none
that is honest does so nearly always.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from models.errors import BadDataset
from models.recommender.ranker_features import Feature
from training.log.event_log import Log
from training.log.order import bound_of
from training.ranking.groups import CandidateGroups
from training.splits.eval_cases import EvalCase

TOO_GOOD = 0.95  # share of groups in which one feature alone puts a target first
MINIMUM_GROUPS = 50
MINIMUM_CANDIDATES = 5  # candidates of a group that is worth asking about


def check_window(log: Log, eval_cases: Sequence[EvalCase], targets: Iterable[str]) -> None:
    """Raise `BadDataset` where `log` or a question holds what only the future knows."""
    wanted = frozenset(targets)
    for question in eval_cases:
        before, customer = question.case.before, question.case.customer
        if customer is None:
            continue
        right = {target.item for target in question.case.targets}
        for events, where in ((log.customers[customer].events, "log"), (question.events, "past")):
            for event in events:
                if before is not None and bound_of(event) >= before:
                    raise BadDataset(f"events.parquet: a leak: the {where} goes beyond its moment")
                if before is None and event.type in wanted and event.item in right:
                    raise BadDataset(f"events.parquet: a leak: the {where} holds its own answer")


def check_features(groups: CandidateGroups, features: Sequence[Feature]) -> None:
    """Raise `BadDataset` naming a feature that alone finds the target nearly every time."""
    sizes = np.diff(groups.starts)
    kept = groups.chosen(groups.has_target & (sizes >= MINIMUM_CANDIDATES))
    if len(kept) < MINIMUM_GROUPS:
        return
    starts = kept.starts[:-1]
    for column, signal in enumerate(features):
        for direction in (1.0, -1.0):
            values = direction * kept.matrix[:, column]
            hits = np.maximum.reduceat(np.where(kept.hit, values, -np.inf), starts)
            others = np.maximum.reduceat(np.where(kept.hit, -np.inf, values), starts)
            share = float(np.mean(hits > others))
            if share > TOO_GOOD:
                raise BadDataset(
                    f"events.parquet: a leak: {signal.name!r} alone finds the target in "
                    f"{share:.0%} of {len(kept)} groups"
                )
