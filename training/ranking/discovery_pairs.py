"""Synthetic discovery pairs: a purchase whose item is removed from all its customer did before.

Few customers turn, in the part held out, to an item that they never touched; any purchase in the
log can stand for such a case once its item is removed from the customer's history. The item must
be gone from the tables, too: customers are dealt into folds, and the pairs of a fold get candidates
from tables that are counted without the customers of that fold.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.recommender.item_history import item_history_of
from models.recommender.retrieval import RetrievalTables
from models.recommender.segments import segments_of
from models.recommender.sources import Quotas
from models.recommender.user_features import HistoryConfig
from training.log.event_log import Log
from training.log.profile_builder import ProfileBuilder
from training.progress import Progress, no_progress
from training.ranking.cross_fit import FoldData
from training.ranking.groups import GroupRequest, make_groups

# Counts tables on all customers but those marked (customers,).
CountRetrieval = Callable[[NDArray[np.bool_]], RetrievalTables]


@dataclass(frozen=True, kw_only=True)
class DiscoveryPairSettings:
    """Up to `per_customer` pairs of each customer in each of `folds` folds, drawn under `seed`.

    `quotas` are those of the intent that learns from the pairs.
    """

    per_customer: int
    folds: int
    quotas: Quotas
    seed: int


def synthetic_discovery_pairs(
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    history: HistoryConfig,
    count_retrieval: CountRetrieval,
    settings: DiscoveryPairSettings,
    progress: Progress = no_progress,
) -> list[FoldData]:
    """Return a part for each fold with pairs: the groups with a target among their candidates.

    `targets` are the event types to predict, `items` what rows stand for. Items with no interaction
    before their purchase come first: they are the most like a discovery.
    """
    random = np.random.default_rng([settings.seed, 9])
    row_of = {item: row for row, item in enumerate(items)}
    fold_of = random.permutation(len(log.customers)) % settings.folds
    types = frozenset(targets)
    parts = []
    for fold in range(settings.folds):
        retrieval = count_retrieval(fold_of == fold)
        requests, customers = [], []
        for customer in np.flatnonzero(fold_of == fold).tolist():
            for request in _requests(
                log, customer, types, row_of, history, settings.per_customer, random
            ):
                requests.append(request)
                customers.append(customer)
        if requests:
            groups = make_groups(requests, retrieval, settings.quotas)
            kept = groups.has_target
            parts.append(FoldData(groups.chosen(kept), np.array(customers, np.int64)[kept]))
        progress(fold + 1, settings.folds)
    return parts


def _requests(
    log: Log,
    customer: int,
    types: frozenset[str],
    row_of: dict[str, int],
    history: HistoryConfig,
    limit: int,
    random: np.random.Generator,
) -> Iterator[GroupRequest]:
    """Yield up to `limit` requests of one customer, each with one target taken out of the past."""
    events = log.customers[customer].events
    targets = {event.item for event in events if event.type in types and event.item in row_of}
    touched = {
        event.item for event in events if event.type not in types and log.is_interaction(event)
    }
    shuffled = sorted(targets)
    random.shuffle(shuffled)
    shuffled.sort(key=lambda item: item in touched)
    minute = max((event.time or 0 for event in events), default=0)
    for item in shuffled[:limit]:
        view = ProfileBuilder(log, [event for event in events if event.item != item]).view()
        past = item_history_of(view, row_of, history, minute)
        target_rows = np.array([row_of[item]], np.int64)
        yield GroupRequest(-1, past, segments_of(view), past.rows, target_rows, 0)
