"""Small logs to train on, written in words, and a training configuration that is quick."""

from dataclasses import replace

import msgspec
import numpy as np

from models.domain.catalogue import Item
from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from models.recommender.user_features import HistoryConfig
from training.log.event_log import Customer, Log
from training.ranking.fit_trees import RankerSettings
from training.ranking.settings import DiscoveryConfig, IntentConfig
from training.retrieval.fit import StageOneSettings
from training.run.config import TrainConfig
from training.splits.cases import Case, Target
from training.splits.eval_cases import EvalCase, eval_cases_of

EVENLY = HistoryConfig(decay="none", factor=1.0)
SMALL = RankerSettings(trees=10, leaves=7, least_rows=5)


def log_of(*customers: str, sequence: bool = False) -> Log:
    """Return a log from words such as `vA cB bC`: viewed A, carted B, bought C, in that order."""
    types = {"v": "view", "c": "add_to_cart", "b": "purchase"}
    found = []
    for at, words in enumerate(customers):
        name = bytes([at // 256, at % 256]) * 8
        events = tuple(
            Event(
                event_id=f"{at}-{place}",
                identifier=name,
                type=types[word[0]],
                channel="app",
                item=word[1:],
                sequence=place if sequence else None,
            )
            for place, word in enumerate(words.split())
        )
        found.append(Customer((name,), events))
    items = sorted({event.item for customer in found for event in customer.events})
    return Log(
        metadata=Metadata(kind="ordered" if sequence else "undated", source="test"),
        customers=tuple(found),
        items={item: Item(id=item) for item in items},
        offers=(),
        event_types=EVENT_TYPES,
        customer_of={customer.identifiers[0]: at for at, customer in enumerate(found)},
    )


def shop(customers: int = 240, kinds: int = 8, seed: int = 3) -> tuple[Log, list[EvalCase]]:
    """Return a log where customers keep to one of several kinds of items, and a case for each."""
    random = np.random.default_rng(seed)
    words, targets = [], []
    for at in range(customers):
        kind = at % kinds
        mine = [f"{kind}{letter}" for letter in random.permutation(list("abcdefghij"))[:6]]
        words.append(f"v{mine[0]} v{mine[1]} c{mine[1]} v{mine[2]} b{mine[3]} b{mine[2]}")
        targets.append(mine[1] if at % 2 else mine[4])
    log = log_of(*words)
    cases = [Case(at, (Target(item, ""),), None, None) for at, item in enumerate(targets)]
    return log, eval_cases_of(log, cases, ("purchase",))


def small_discovery() -> DiscoveryConfig:
    """Return how a small discovery is ranked, hidden pairs included."""
    return DiscoveryConfig(ranker=SMALL, hidden=1, hidden_folds=2)


QUICK = TrainConfig(
    stage_one=StageOneSettings(dimensions=16, epochs=3),
    default=IntentConfig(ranker=SMALL),
    discovery=DiscoveryConfig(ranker=SMALL),
)


def ordered_over_all(*customers: str) -> Log:
    """Return a log whose sequences compare across customers."""
    log = log_of(*customers, sequence=True)
    metadata = msgspec.structs.replace(log.metadata, order_over="dataset")
    return replace(log, metadata=metadata)
