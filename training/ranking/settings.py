"""How the second stage is learnt: its intents, and what they have in common."""

from dataclasses import dataclass

import msgspec

from models.recommender.sources import DEFAULT_QUOTAS, DISCOVERY_QUOTAS, Quotas
from training.counting.trend import TrendConfig
from training.ranking.fit_trees import RankerSettings


class IntentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one intent is ranked.

    `hidden` purchases of each customer are learnt from as if never touched, beside the cases held
    out (0: none), in `hidden_folds` folds.
    """

    quotas: Quotas = DEFAULT_QUOTAS
    ranker: RankerSettings = RankerSettings()
    hidden: int = 0
    hidden_folds: int = 5


class DiscoveryConfig(IntentConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How what was never touched is ranked."""

    quotas: Quotas = DISCOVERY_QUOTAS
    ranker: RankerSettings = RankerSettings(trees=120, leaves=15, learning_rate=0.05)


@dataclass(frozen=True, kw_only=True)
class SecondStageSettings:
    """What the second stage takes from the configuration of a run; its fields are told there."""

    default: IntentConfig
    discovery: IntentConfig
    folds: int
    remembered: int
    trend: TrendConfig | None
    refit: bool
    seed: int
