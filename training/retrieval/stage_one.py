"""Stage one: vectors of items and of what customers did, fitted on examples from a log."""

from collections.abc import Iterable

from models.recommender.user_features import HistoryConfig
from models.release.manifest import Vocabulary
from models.release.release import ReleaseContent
from training.counting.segment_popularity import count_popularity
from training.log.event_log import Log
from training.progress import Progress, no_progress
from training.retrieval.examples import make_examples
from training.retrieval.fit import StageOneSettings, fit_vectors

PREFIXES = 30
STEP_DECAY = 0.95


def history_for(log: Log, responses: tuple[str, ...] = ()) -> HistoryConfig:
    """Return how history counts: decayed by step where there is order, else evenly.

    `responses` are the types by which customers respond to offers, where that is learnt.
    """
    if log.metadata.kind == "undated":
        return HistoryConfig(decay="none", factor=1.0, responses=responses)
    return HistoryConfig(decay="step", factor=STEP_DECAY, responses=responses)


def fit_content(
    log: Log,
    targets: Iterable[str],
    history: HistoryConfig,
    settings: StageOneSettings,
    seed: int,
    progress: Progress = no_progress,
) -> ReleaseContent:
    """Fit on all of `log` and return what a release holds."""
    wanted = tuple(targets)
    examples = make_examples(log, wanted, history, PREFIXES, seed)
    space = fit_vectors(examples, log.items, settings, seed, progress)
    popular = count_popularity(log, wanted, space.items)
    return ReleaseContent(
        vocabulary=Vocabulary(
            items=space.items,
            item_features=space.item_features,
            user_features=space.user_features,
            segments=popular.segments,
        ),
        item_vectors=space.item_vectors,
        item_feature_vectors=space.item_feature_vectors,
        user_feature_vectors=space.user_feature_vectors,
        popularity=popular.log_shares,
        item_weights=popular.weights,
    )
