"""Groups: the candidates of each question as the service would propose them, with their features.

The ranker learns from groups and is measured on groups. Nothing in here knows the targets until the
candidates and their features stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Rows
from models.recommender.item_history import ItemHistory, item_history_of
from models.recommender.ranker_features import MatchFeatures, feature_matrix, greatest_sums
from models.recommender.retrieval import Proposed, Quotas, RetrievalTables, propose_candidates
from models.recommender.segments import segment_popularity, segments_of
from models.recommender.user_features import HistoryConfig
from training.counting.trend import Trend, with_trend
from training.progress import Progress, no_progress
from training.splits.eval_cases import EvalCase


@dataclass(frozen=True)
class CandidateGroups:
    """Candidates of all questions, group after group.

    Group g stands from `starts[g]` to `starts[g + 1]` in `rows` (item rows), `sources` (bit masks),
    `matrix` (candidates, features) and `hit` (is it a target); `questions[g]` says which question
    it is of, and `targets[g]` how many targets that has, found or not.
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
        """Return the group of each candidate."""
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
        """Return which groups have a target among their candidates."""
        return np.bincount(self.group, self.hit, len(self)) > 0


@dataclass(frozen=True)
class GroupRequest:
    """One group to make.

    A past and the segments of its moment, the rows that must not be proposed, and those right.
    """

    case: int
    history: ItemHistory
    segments: Sequence[str]
    excluded: Rows
    targets: Rows
    missing: int  # targets that are no rows
    trend: Floats | None = None  # (items, TREND) at the moment, where there is one


def group_requests(
    eval_cases: Sequence[EvalCase],
    row_of: dict[str, int],
    history: HistoryConfig,
    trend: Trend | None = None,
) -> list[GroupRequest]:
    """Return what to ask of each question: what it masks is not proposed."""
    found = []
    for at, question in enumerate(eval_cases):
        past = item_history_of(question.view, row_of, history, question.minute)
        targets = [target.item for target in question.case.targets]
        right = [row_of[item] for item in targets if item in row_of]
        barred = [row_of[item] for item in question.masked_items if item in row_of]
        found.append(
            GroupRequest(
                at,
                past,
                segments_of(question.view),
                np.array(sorted(barred), np.int64),
                np.array(sorted(right), np.int64),
                len(targets) - len(right),
                None if trend is None else trend.at(question.case.before),
            )
        )
    return found


def make_groups(
    requests: Sequence[GroupRequest],
    retrieval: RetrievalTables,
    quotas: Quotas,
    progress: Progress = no_progress,
) -> CandidateGroups:
    """Propose and describe the candidates of each group."""
    rows, sources, matrices, hits = [], [], [], []
    allowed = np.ones(len(retrieval.item_features), np.bool_)
    for at, one in enumerate(requests):
        allowed[one.excluded] = False
        proposed = propose_candidates(retrieval, one.history, quotas, allowed)
        allowed[one.excluded] = True
        found = proposed.candidates.rows
        matrices.append(item_ranker_features(found, one, proposed, retrieval))
        rows.append(found)
        sources.append(proposed.candidates.sources)
        hits.append(np.isin(found, one.targets))
        if at % 256 == 0:
            progress(at, len(requests))
    sizes = np.array([len(part) for part in rows], np.int64)
    return CandidateGroups(
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        rows=np.concatenate(rows),
        sources=np.concatenate(sources),
        matrix=np.concatenate(matrices),
        hit=np.concatenate(hits),
        cases=np.array([one.case for one in requests], np.int64),
        targets=np.array([len(one.targets) + one.missing for one in requests], np.int64),
    )


def item_ranker_features(
    rows: Rows, request: GroupRequest, proposed: Proposed, retrieval: RetrievalTables
) -> Floats:
    """Return the features (rows, signals) of item rows, which need not be what was `proposed`."""
    matches = MatchFeatures(
        embedding=np.zeros(len(rows), np.float32),
        popularity=segment_popularity(retrieval.shares, request.segments, rows),
    )
    facts = (
        retrieval.item_features
        if request.trend is None
        else with_trend(retrieval.item_features, request.trend)
    )
    greatest = greatest_sums(proposed.candidates.rows, proposed.reached)
    return feature_matrix(rows, request.history, proposed.reached, greatest, matches, facts)
