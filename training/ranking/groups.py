"""Groups: the candidates of each case as the service would propose them, with their features.

The ranker learns from groups and is measured on groups. Targets only mark hits, once the candidates
and their features are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Rows
from models.recommender.feature_group import FeatureInputs, MatchFeatures
from models.recommender.features_by_table import greatest_sums
from models.recommender.item_history import ItemHistory, item_history_of
from models.recommender.ranker_features import feature_matrix
from models.recommender.retrieval import RetrievalTables
from models.recommender.segments import segment_popularity, segments_of
from models.recommender.sources import Proposed, Quotas, propose_candidates
from models.recommender.user_features import HistoryConfig
from training.counting.trend import Trend, with_trend
from training.progress import Progress, no_progress
from training.splits.eval_cases import EvalCase


@dataclass(frozen=True)
class CandidateGroups:
    """Candidates of all cases, group after group.

    Group g is from `starts[g]` to `starts[g + 1]` in `rows` (item rows), `sources` (bit masks),
    `matrix` (candidates, features) and `hit` (whether it is a target). `cases[g]` is the index of
    its case, and `targets[g]` how many targets that has, among the candidates or not.
    """

    starts: NDArray[np.int64]
    rows: Rows
    sources: NDArray[np.int64]
    matrix: Floats
    hit: NDArray[np.bool_]
    cases: NDArray[np.int64]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.cases)

    @property
    def group(self) -> NDArray[np.int64]:
        """Return (candidates,): the group of each."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def chosen(self, kept: NDArray[np.bool_]) -> "CandidateGroups":
        """Return only the groups that `kept` (groups,) marks."""
        rows = kept[self.group]
        sizes = np.diff(self.starts)[kept]
        return CandidateGroups(
            np.concatenate([[0], np.cumsum(sizes)]),
            self.rows[rows],
            self.sources[rows],
            self.matrix[rows],
            self.hit[rows],
            self.cases[kept],
            self.targets[kept],
        )

    @property
    def has_target(self) -> NDArray[np.bool_]:
        """Return (groups,): whether a target is among the candidates."""
        return np.bincount(self.group, self.hit, len(self)) > 0


@dataclass(frozen=True)
class GroupRequest:
    """What one group is made from.

    `case` is the index of its case, `history` and `segments` are of the customer at its moment.
    Rows in `excluded` are not proposed; `targets` are the rows of targets, `missing` counts those
    without a row. `trend` (items, TREND) is that of the moment, where there is one.
    """

    case: int
    history: ItemHistory
    segments: Sequence[str]
    excluded: Rows
    targets: Rows
    missing: int
    trend: Floats | None = None


def group_requests(
    eval_cases: Sequence[EvalCase],
    row_of: dict[str, int],
    history: HistoryConfig,
    trend: Trend | None = None,
) -> list[GroupRequest]:
    """Return the request of each case; its masked items are excluded."""
    requests = []
    for at, eval_case in enumerate(eval_cases):
        past = item_history_of(eval_case.view, row_of, history, eval_case.minute)
        targets = [target.item for target in eval_case.case.targets]
        target_rows = [row_of[item] for item in targets if item in row_of]
        excluded = [row_of[item] for item in eval_case.masked_items if item in row_of]
        requests.append(
            GroupRequest(
                at,
                past,
                segments_of(eval_case.view),
                np.array(sorted(excluded), np.int64),
                np.array(sorted(target_rows), np.int64),
                len(targets) - len(target_rows),
                None if trend is None else trend.at(eval_case.case.before),
            )
        )
    return requests


def make_groups(
    requests: Sequence[GroupRequest],
    retrieval: RetrievalTables,
    quotas: Quotas,
    progress: Progress = no_progress,
) -> CandidateGroups:
    """Return the group of each request: candidates, their features, and which are targets."""
    rows, sources, matrices, hits = [], [], [], []
    allowed = np.ones(len(retrieval.item_features), np.bool_)
    for at, request in enumerate(requests):
        allowed[request.excluded] = False
        proposed = propose_candidates(retrieval, request.history, quotas, allowed)
        allowed[request.excluded] = True
        candidates = proposed.candidates.rows
        matrices.append(item_ranker_features(candidates, request, proposed, retrieval))
        rows.append(candidates)
        sources.append(proposed.candidates.sources)
        hits.append(np.isin(candidates, request.targets))
        if at % 256 == 0:
            progress(at, len(requests))
    sizes = np.array([len(part) for part in rows], np.int64)
    return CandidateGroups(
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        rows=np.concatenate(rows),
        sources=np.concatenate(sources),
        matrix=np.concatenate(matrices),
        hit=np.concatenate(hits),
        cases=np.array([request.case for request in requests], np.int64),
        targets=np.array(
            [len(request.targets) + request.missing for request in requests], np.int64
        ),
    )


def item_ranker_features(
    rows: Rows, request: GroupRequest, proposed: Proposed, retrieval: RetrievalTables
) -> Floats:
    """Return the features (rows, features) of item rows, which need not be among those proposed."""
    matches = MatchFeatures(
        embedding=np.zeros(len(rows), np.float32),
        popularity=segment_popularity(retrieval.shares, request.segments, rows),
    )
    item_features = (
        retrieval.item_features
        if request.trend is None
        else with_trend(retrieval.item_features, request.trend)
    )
    greatest = greatest_sums(proposed.candidates.rows, proposed.neighbours)
    inputs = FeatureInputs(
        rows, request.history, proposed.neighbours, greatest, matches, item_features
    )
    return feature_matrix(inputs)
