"""What more trees buy: rankers of several sizes, how well each ranks beside what its scores cost.

    python -m bench.sizes DATASET [--config TOML] [--share 0.25]

The default intent. All sizes learn from the same candidates and are measured on the same folds over
customers, each customer ranked by trees that never saw them, as `throughline train` measures data
whose cases are one moment of each customer. Cost is CPU of one thread to score 200 candidates, the
least of several passes over 300 such lists, by trees fitted as a release's are.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.stages import CALLS, least
from models.errors import BadDataset, BadInput
from models.recommender.ranker_features import ranker_features
from models.recommender.trees import Trees
from training.counting.candidate_tables import count_retrieval
from training.counting.interactions import interactions_of
from training.evaluation.bootstrap import Interval
from training.evaluation.slices import ALL, case_targets, measure
from training.log.event_log import Log, read_log
from training.log.sample import sample
from training.ranking.cross_fit import FoldData, cross_fit, fit_calibrated
from training.ranking.groups import CandidateGroups, group_requests, make_groups
from training.ranking.second_stage import lists_from_scores
from training.retrieval.stage_one import history_for
from training.run.config import TrainConfig, read_config
from training.splits.cases import of_known_customers
from training.splits.eval_cases import EvalCase, eval_cases_of
from training.splits.held_out import held_out
from training.splits.protocols import target_types

SIZES = ((1, 40, 15), (1, 100, 15), (1, 100, 31), (4, 100, 15))  # bags, trees and their leaves
CANDIDATES = 200
KS = (10,)


class Size(NamedTuple):
    """Bags, their trees and leaves, how well a ranker ranks, CPU microseconds of 200 scores."""

    bags: int
    trees: int
    leaves: int
    recall: Interval
    ndcg: Interval
    microseconds: float


def compare(
    log: Log,
    asked: Sequence[EvalCase],
    targets: Sequence[str],
    config: TrainConfig,
    sizes: Sequence[tuple[int, int, int]],
    progress: Callable[[str], object] = lambda step: None,
) -> list[Size]:
    """Fit and measure a ranker of each of `sizes` on `asked`, whose targets are not in `log`."""
    items = sorted(log.items)
    row_of = {item: row for row, item in enumerate(items)}
    progress("counting and proposing")
    touches = interactions_of(log, items, config.remembered)
    retrieval = count_retrieval(log, targets, items, touches, config.seed)
    wanted = group_requests(asked, row_of, history_for(log))
    groups = make_groups(wanted, retrieval, config.default.quotas)
    customers = [-1 if q.case.customer is None else q.case.customer for q in asked]
    part, declared = (
        FoldData(groups, np.array(customers, np.int64)),
        ranker_features(retrieval.tables.names),
    )
    touched = frozenset(e.item for c in log.customers for e in c.events if e.item)
    answered = case_targets(asked, items, touched)
    found = []
    for bags, trees, leaves in sizes:
        progress(f"{bags} x {trees} trees of {leaves} leaves")
        settings = replace(config.default.ranker, bags=bags, trees=trees, leaves=leaves)
        scores, _ = cross_fit(part, (), declared, settings, config.folds, config.seed)
        lists = {"": lists_from_scores(groups, scores, len(asked), max(KS), config.seed)}
        measured = measure(lists, answered, len(items), KS, config.seed)
        (whole,) = [one for one in measured if one.slice == ALL]
        ensemble = fit_calibrated(part, (), declared, settings, config.seed).trees
        recall, ndcg = (whole.metrics[f"{name}@{KS[0]}"] for name in ("recall", "ndcg"))
        found.append(Size(bags, trees, leaves, recall, ndcg, cost_of(ensemble, groups)))
    return found


def cost_of(trees: Trees, groups: CandidateGroups) -> float:
    """Return the CPU microseconds of `trees` to score 200 candidates of `groups`."""
    most = max(0, len(groups.rows) - CANDIDATES)
    starts = np.linspace(0, most, CALLS).astype(np.int64)
    blocks = [groups.matrix[first : first + CANDIDATES] for first in starts]
    return least(lambda at: trees.score(blocks[at]))


def cases_of(
    dataset: Path, config: TrainConfig, share: float
) -> tuple[Log, list[EvalCase], tuple[str, ...]]:
    """Return the log to learn from, the questions held out of it, and the types of their targets.

    Raises `BadDataset` where cases are of a last window: its trees are not fitted by folds.
    """
    log = read_log(dataset)
    if share < 1:
        log = sample(log, share, config.seed)
    targets = target_types(log)
    parts = held_out(dataset, log, targets, config.split, config.seed)
    if share < 1:
        parts = of_known_customers(parts)
    if parts.window is not None or not parts.cases:
        raise BadDataset(f"{dataset}: want cases of one moment a customer; here: {parts.meaning}")
    return parts.training, eval_cases_of(parts.training, parts.cases, config.split.mask), targets


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--share", type=float, default=1.0, help="of the customers")
    options = parser.parse_args()
    try:
        config = read_config(options.config) if options.config else TrainConfig()
        log, asked, targets = cases_of(options.dataset, config, options.share)
    except (BadDataset, BadInput) as error:
        parser.error(str(error))
    with Console(stderr=True).status("") as status:
        found = compare(log, asked, targets, config, SIZES, status.update)
    table = Table("bags", "trees", "leaves", "R@10", "NDCG@10", f"us, {CANDIDATES} candidates")
    table.title = f"Quality against cost: {len(asked):,} cases, {config.folds} folds"
    for size in found:
        table.add_row(
            *map(str, (size.bags, size.trees, size.leaves)),
            *(
                f"{value:.3f} [{low:.3f}, {high:.3f}]"
                for value, low, high in (size.recall, size.ndcg)
            ),
            f"{size.microseconds:.0f}",
        )
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
