"""Leaks: targets in what a model learns from, and features that give the target away.

A model that has seen the target measures well and is worth nothing. Training windows are checked
before anything is counted on them. A feature leaks where it alone finds the target nearly always.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from models.errors import BadDataset
from models.recommender.feature_group import Feature
from training.log.event_log import Log
from training.log.order import bound_of
from training.ranking.groups import CandidateGroups
from training.splits.eval_cases import EvalCase

TOO_GOOD = 0.95  # share of groups in which one feature alone puts a target first
MINIMUM_GROUPS = 50
MINIMUM_CANDIDATES = 5  # of a group that is looked at


def check_window(log: Log, eval_cases: Sequence[EvalCase], targets: Iterable[str]) -> None:
    """Raise `BadDataset` where `log` or a case's events reach its moment or hold its targets."""
    types = frozenset(targets)
    for eval_case in eval_cases:
        before, customer = eval_case.case.before, eval_case.case.customer
        if customer is None:
            continue
        target_items = {target.item for target in eval_case.case.targets}
        for events, where in ((log.customers[customer].events, "log"), (eval_case.events, "past")):
            for event in events:
                if before is not None and bound_of(event) >= before:
                    raise BadDataset(f"events.parquet: a leak: the {where} goes beyond its moment")
                if before is None and event.type in types and event.item in target_items:
                    raise BadDataset(f"events.parquet: a leak: the {where} holds its own answer")


def check_features(groups: CandidateGroups, features: Sequence[Feature]) -> None:
    """Raise `BadDataset` naming a feature that alone finds the target nearly every time."""
    sizes = np.diff(groups.starts)
    kept = groups.chosen(groups.has_target & (sizes >= MINIMUM_CANDIDATES))
    if len(kept) < MINIMUM_GROUPS:
        return
    starts = kept.starts[:-1]
    for column, feature in enumerate(features):
        for direction in (1.0, -1.0):
            values = direction * kept.matrix[:, column]
            hits = np.maximum.reduceat(np.where(kept.hit, values, -np.inf), starts)
            others = np.maximum.reduceat(np.where(kept.hit, -np.inf, values), starts)
            share = float(np.mean(hits > others))
            if share > TOO_GOOD:
                raise BadDataset(
                    f"events.parquet: a leak: {feature.name!r} alone finds the target in "
                    f"{share:.0%} of {len(kept)} groups"
                )
