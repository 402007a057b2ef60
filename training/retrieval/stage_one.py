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
    """Return how events of a history are weighed: decayed by step where ordered, else evenly.

    `responses` are the event types that are responses to offers, where these are learnt from.
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
    types = tuple(targets)
    examples = make_examples(log, types, history, PREFIXES, seed)
    vectors = fit_vectors(examples, log.items, settings, seed, progress)
    popularity = count_popularity(log, types, vectors.items)
    return ReleaseContent(
        vocabulary=Vocabulary(
            items=vectors.items,
            item_features=vectors.item_features,
            user_features=vectors.user_features,
            segments=popularity.segments,
        ),
        item_vectors=vectors.item_vectors,
        item_feature_vectors=vectors.item_feature_vectors,
        user_feature_vectors=vectors.user_feature_vectors,
        popularity=popularity.log_shares,
        item_weights=popularity.weights,
    )
