"""A feature of the ranker is added in one place: columns, names and order follow for everybody."""

import numpy as np
import pytest

from models.errors import BadRelease
from models.numeric.array_types import Floats
from models.recommender import ranker_features as joined
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs, MatchFeatures
from models.recommender.features_by_table import greatest_sums
from models.recommender.features_of_match import MATCH
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import look_up_neighbours
from models.recommender.ranker import CandidateScorer, SecondStage, check_second_stage
from models.recommender.ranker_features import GROUPS, feature_matrix, ranker_features
from models.recommender.trees import read_trees
from tests.support.small_release import TABLES, random_trees, small_content

ITEMS = 40
NEW = Feature("twice popular", "twice the log share of this item")


def stage() -> SecondStage:
    """Return a second stage over the small items, its trees over the features there are now."""
    found = small_content(ITEMS, ranked=True).second_stage
    assert found is not None
    return found


def history() -> ItemHistory:
    """Return what a customer did with three items."""
    rows = np.array([2, 5, 9], np.int64)
    lanes = np.array([[1, 0, 0.5, 0], [0, 0.2, 0, 0], [0.9, 0, 0, 0]], np.float32)
    times = np.array([0, 3, 1], np.float32)
    return ItemHistory(rows, lanes, np.ceil(lanes), times, times, np.argsort(times), 1)


def inputs(rows: list[int]) -> FeatureInputs:
    """Return all that the features of these items are computed from."""
    at, retrieval = np.array(rows, np.int64), stage().retrieval
    neighbours = look_up_neighbours(retrieval.tables, history())
    popularity = retrieval.shares.logs[0][at]
    return FeatureInputs(
        at,
        history(),
        neighbours,
        greatest_sums(at, neighbours),
        MatchFeatures(np.full(len(at), 0.5, np.float32), popularity),
        retrieval.item_features,
    )


def fill_with_one_more(columns: Floats, of: FeatureInputs) -> None:
    """Fill what there is, and one column more."""
    MATCH.fill(columns[:-1], of)
    columns[-1] = 2 * of.matches.popularity


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> tuple[FeatureGroup, ...]:
    """Return the groups with one feature more at the end of one in the middle."""
    larger = FeatureGroup((*MATCH.declared, NEW), fill_with_one_more)
    groups = tuple(larger if group is MATCH else group for group in GROUPS)
    monkeypatch.setattr(joined, "GROUPS", groups)
    return groups


@pytest.mark.parametrize("number", range(len(GROUPS)))
@pytest.mark.parametrize("rows", [[], [0, 2, 9, 30], list(range(ITEMS))])
def test_a_group_fills_just_the_columns_it_declares(number: int, rows: list[int]) -> None:
    """Every value of a group's columns is written, and nothing beyond them."""
    group, of = GROUPS[number], inputs(rows)
    width = group.width(len(TABLES))
    assert width == len(group.features(TABLES))
    columns = np.full((width + 2, len(rows)), np.nan, np.float32)
    group.fill(columns[1:-1], of)
    assert np.isfinite(columns[1:-1]).all()
    assert np.isnan(columns[[0, -1]]).all()


def test_names_and_columns_of_trees_are_distinct() -> None:
    """No two features have one name, or one as the trees know it, which a space would break."""
    features = ranker_features(TABLES)
    columns = [feature.column for feature in features]
    assert len({feature.name for feature in features}) == len(set(columns)) == len(features)
    assert not [column for column in columns if set(column) & set(" ,=")]


def test_a_feature_more_has_its_name_and_its_column(added: tuple[FeatureGroup, ...]) -> None:
    """The new column stands where the declaration does, and all others are what they were."""
    names = [feature.name for feature in ranker_features(TABLES)]
    assert len(names) == sum(group.width(len(TABLES)) for group in added)
    at = names.index(NEW.name)
    assert names[at - 1] == MATCH.declared[-1].name
    of = inputs([0, 2, 9, 30])
    matrix = feature_matrix(of)
    assert matrix.shape == (4, len(names))
    assert matrix[:, at].tolist() == (2 * of.matches.popularity).tolist()
    others = [part for group in GROUPS for part in _filled(group, of)]
    assert np.delete(matrix, at, axis=1).T.tolist() == others


def _filled(group: FeatureGroup, of: FeatureInputs) -> list[list[float]]:
    """Return the columns of one group."""
    columns = np.empty((group.width(len(TABLES)), len(of.rows)), np.float32)
    group.fill(columns, of)
    found: list[list[float]] = columns.tolist()
    return found


def test_the_trees_score_by_a_feature_more(added: tuple[FeatureGroup, ...]) -> None:
    """Trees fitted on the new column score by it, and a release with others is refused."""
    names = [feature.column for feature in ranker_features(TABLES)]
    before = stage()
    text = random_trees(np.random.default_rng(1), 1, 2)
    at = names.index(NEW.column)
    lines = [
        f"split_feature={at}" if line.startswith("split_feature=") else line
        for line in text.replace("threshold=", "threshold=-7.5\nignored=").splitlines()
    ]
    trees = read_trees("\n".join(lines))
    assert trees.features == tuple(names)
    ensemble = before.ensembles["default"]._replace(trees=trees)
    rows = np.arange(ITEMS)
    neighbours = look_up_neighbours(before.retrieval.tables, history())
    scores = CandidateScorer(before, ensemble, history(), (), neighbours, rows).scores(rows)
    popular = 2 * before.retrieval.shares.logs[0] > -7.5
    assert len(set(scores.tolist())) == 2
    assert len(set(scores[popular].tolist())) == len(set(scores[~popular].tolist())) == 1
    check_second_stage(SecondStage(before.retrieval, {"default": ensemble}), ITEMS)


def test_a_release_without_the_feature_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trees over the features of before are not scored over other columns."""
    before = stage()
    larger = FeatureGroup((*MATCH.declared, NEW), fill_with_one_more)
    monkeypatch.setattr(joined, "GROUPS", (*GROUPS, larger))
    with pytest.raises(BadRelease, match="features are not those of this version"):
        check_second_stage(before, ITEMS)
