"""Settings of the second stage: of each intent, and those that they share."""

from dataclasses import dataclass
from typing import Annotated

import msgspec

from models.recommender.sources import DEFAULT_QUOTAS, DISCOVERY_QUOTAS, Quotas
from training.counting.trend import TrendConfig
from training.ranking.fit_trees import RankerSettings


class IntentConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one intent is ranked.

    `hidden` is how many synthetic discovery pairs of each customer are learnt from, in
    `hidden_folds` folds, together with the cases held out (0: none).
    """

    quotas: Quotas = DEFAULT_QUOTAS
    ranker: RankerSettings = RankerSettings()
    hidden: Annotated[int, msgspec.Meta(ge=0)] = 0
    hidden_folds: Annotated[int, msgspec.Meta(ge=2)] = 5


class DiscoveryConfig(IntentConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the intent discovery is ranked: items that the customer never touched."""

    quotas: Quotas = DISCOVERY_QUOTAS
    ranker: RankerSettings = RankerSettings(trees=120, leaves=15, learning_rate=0.05)


@dataclass(frozen=True, kw_only=True)
class SecondStageSettings:
    """What the second stage takes from `TrainConfig`, which describes the fields."""

    default: IntentConfig
    discovery: IntentConfig
    folds: int
    remembered: int
    trend: TrendConfig | None
    refit: bool
    seed: int
