"""Hidden pairs: what a customer bought, taken out of their past as if it had never been touched.

Few customers turn, in the part held out, to something they never touched; every purchase in the log
can stand for such a moment once its item is removed from all that the customer did. The item must
be gone from the tables, too: customers are dealt into folds, and a fold's pairs are looked up in
tables counted without its customers.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from models.recommender.item_history import item_history_of
from models.recommender.retrieval import Quotas, RetrievalTables
from models.recommender.segments import segments_of
from models.recommender.user_features import HistoryConfig
from training.log.event_log import Log
from training.log.profile_builder import ProfileBuilder
from training.progress import Progress
from training.ranking.cross_fit import FoldData
from training.ranking.groups import GroupRequest, make_groups

# From all customers but those marked (customers,).
CountRetrieval = Callable[[NDArray[np.bool_]], RetrievalTables]


def synthetic_discovery_pairs(
    log: Log,
    targets: Sequence[str],
    items: Sequence[str],
    history: HistoryConfig,
    count_retrieval: CountRetrieval,
    quotas: Quotas,
    *,
    per_customer: int,
    folds: int,
    seed: int,
    progress: Progress = lambda done, of: None,
) -> list[FoldData]:
    """Return a part for each fold: up to `each` hidden pairs of each of its customers.

    Purchases that nothing preceded come first: they are the likest to a first touch.
    """
    random = np.random.default_rng([seed, 9])
    row_of = {item: row for row, item in enumerate(items)}
    dealt = random.permutation(len(log.customers)) % folds
    wanted = frozenset(targets)
    parts = []
    for fold in range(folds):
        retrieval = count_retrieval(dealt == fold)
        asked, whose = [], []
        for at in np.flatnonzero(dealt == fold).tolist():
            for one in _asked(log, at, wanted, row_of, history, per_customer, random):
                asked.append(one)
                whose.append(at)
        if asked:
            groups = make_groups(asked, retrieval, quotas)
            found = groups.has_target
            parts.append(FoldData(groups.chosen(found), np.array(whose, np.int64)[found]))
        progress(fold + 1, folds)
    return parts


def _asked(
    log: Log,
    at: int,
    wanted: frozenset[str],
    row_of: dict[str, int],
    history: HistoryConfig,
    each: int,
    random: np.random.Generator,
) -> Iterator[GroupRequest]:
    events = log.customers[at].events
    hits = {event.item for event in events if event.type in wanted and event.item in row_of}
    before = {
        event.item for event in events if event.type not in wanted and log.is_interaction(event)
    }
    shuffled = sorted(hits)
    random.shuffle(shuffled)
    shuffled.sort(key=lambda item: item in before)
    minute = max((event.time or 0 for event in events), default=0)
    for item in shuffled[:each]:
        left = [event for event in events if event.item != item]
        view = ProfileBuilder(log, left).view()
        past = item_history_of(view, row_of, history, minute)
        right = np.array([row_of[item]], np.int64)
        yield GroupRequest(-1, past, segments_of(view), past.rows, right, 0)
