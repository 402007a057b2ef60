"""Groups: the candidates of each question as the service would propose them, with their features.

The ranker learns from groups and is measured on groups. Nothing in here knows the targets until the
candidates and their features stand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Rows
from models.recommender.features.by_table import greatest_sums
from models.recommender.features.group import FeatureInputs, MatchFeatures
from models.recommender.item_history import ItemHistory, item_history_of
from models.recommender.ranker_features import feature_matrix
from models.recommender.retrieval import Proposed, Quotas, RetrievalTables, propose_candidates
from models.recommender.segments import segment_popularity, segments_of
from models.recommender.user_features import HistoryConfig
from training.counting.trend import Trend, with_trend
from training.progress import Progress
from training.splits.eval_cases import Question


@dataclass(frozen=True)
class Groups:
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
    questions: NDArray[np.int64]
    targets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def group(self) -> NDArray[np.int64]:
        """Return the group of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts))

    def chosen(self, kept: NDArray[np.bool_]) -> "Groups":
        """Return only the groups that `kept` (groups,) marks."""
        rows = kept[self.group]
        sizes = np.diff(self.starts)[kept]
        return Groups(
            np.concatenate([[0], np.cumsum(sizes)]),
            self.rows[rows],
            self.sources[rows],
            self.matrix[rows],
            self.hit[rows],
            self.questions[kept],
            self.targets[kept],
        )

    @property
    def found(self) -> NDArray[np.bool_]:
        """Return which groups have a target among their candidates."""
        return np.bincount(self.group, self.hit, len(self)) > 0


@dataclass(frozen=True)
class Asked:
    """One group to make.

    A past and the segments of its moment, the rows that must not be proposed, and those right.
    """

    question: int
    past: ItemHistory
    segments: Sequence[str]
    barred: Rows
    targets: Rows
    missing: int  # targets that are no rows
    trend: Floats | None = None  # (items, TREND) at the moment, where there is one


def asked_of(
    questions: Sequence[Question],
    row_of: dict[str, int],
    history: HistoryConfig,
    trend: Trend | None = None,
) -> list[Asked]:
    """Return what to ask of each question: what it masks is not proposed."""
    found = []
    for at, question in enumerate(questions):
        past = item_history_of(question.view, row_of, history, question.minute)
        targets = [target.item for target in question.case.targets]
        right = [row_of[item] for item in targets if item in row_of]
        barred = [row_of[item] for item in question.masked if item in row_of]
        found.append(
            Asked(
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
    asked: Sequence[Asked],
    retrieval: RetrievalTables,
    quotas: Quotas,
    progress: Progress = lambda done, of: None,
) -> Groups:
    """Propose and describe the candidates of each group."""
    rows, sources, matrices, hits = [], [], [], []
    allowed = np.ones(len(retrieval.item_features), np.bool_)
    for at, one in enumerate(asked):
        allowed[one.barred] = False
        proposed = propose_candidates(retrieval, one.past, quotas, allowed)
        allowed[one.barred] = True
        found = proposed.candidates.rows
        matrices.append(features_of(found, one, proposed, retrieval))
        rows.append(found)
        sources.append(proposed.candidates.sources)
        hits.append(np.isin(found, one.targets))
        if at % 256 == 0:
            progress(at, len(asked))
    sizes = np.array([len(part) for part in rows], np.int64)
    return Groups(
        starts=np.concatenate([[0], np.cumsum(sizes)]),
        rows=np.concatenate(rows),
        sources=np.concatenate(sources),
        matrix=np.concatenate(matrices),
        hit=np.concatenate(hits),
        questions=np.array([one.question for one in asked], np.int64),
        targets=np.array([len(one.targets) + one.missing for one in asked], np.int64),
    )


def features_of(rows: Rows, one: Asked, proposed: Proposed, retrieval: RetrievalTables) -> Floats:
    """Return the features (rows, signals) of item rows, which need not be what was `proposed`."""
    matches = MatchFeatures(
        embedding=np.zeros(len(rows), np.float32),
        popularity=segment_popularity(retrieval.shares, one.segments, rows),
    )
    facts = (
        retrieval.item_features
        if one.trend is None
        else with_trend(retrieval.item_features, one.trend)
    )
    greatest = greatest_sums(proposed.candidates.rows, proposed.reached)
    return feature_matrix(FeatureInputs(rows, one.past, proposed.reached, greatest, matches, facts))
