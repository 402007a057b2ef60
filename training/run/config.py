"""How a full model is trained on one dataset: a TOML file, with defaults that hold for any.

Nothing else in the code may know a dataset: what differs between two is said here.
"""

from pathlib import Path
from typing import Annotated

import msgspec

from models.errors import BadInput
from training.counting.trend import TrendConfig
from training.ranking.settings import DiscoveryConfig, IntentConfig, SecondStageSettings
from training.response.contacts import ResponseConfig
from training.retrieval.fit import StageOneSettings
from training.splits.held_out import SplitConfig


class TrainConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about a training run but the dataset and the registry.

    `share` of the customers are learnt from and asked about, the others are as if never there;
    `stage_one` is the retrieval model; `folds` is how many parts cross-fitting deals customers
    into; `windows` is how many windows before the test timed data is learnt from; `remembered`
    bounds what is counted of a customer in each lane; without `trend` all shares are of all time.
    With `responses` the release ranks by the rate of response to contacts, and its label says so.
    With `refit` the release is fitted again on everything once it is measured.
    """

    seed: int = 0
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    split: SplitConfig = SplitConfig()
    stage_one: StageOneSettings = StageOneSettings()
    default: IntentConfig = IntentConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    folds: int = 5
    windows: int = 2
    remembered: int = 300
    trend: TrendConfig | None = None
    responses: ResponseConfig | None = None
    refit: bool = False

    @property
    def second_stage(self) -> SecondStageSettings:
        """Return what the second stage is learnt by."""
        return SecondStageSettings(
            default=self.default,
            discovery=self.discovery,
            folds=self.folds,
            remembered=self.remembered,
            trend=self.trend,
            refit=self.refit,
            seed=self.seed,
        )


def read_config(path: Path) -> TrainConfig:
    """Read a configuration; raises `BadInput` with the field at fault."""
    try:
        found = msgspec.toml.decode(path.read_bytes(), type=TrainConfig)
    except OSError as error:
        raise BadInput(str(path), error.strerror or "cannot be read") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadInput(str(path), str(error)) from None
    if found.stage_one.dimensions < 8 or found.stage_one.dimensions % 8:
        raise BadInput(str(path), "stage_one.dimensions: want a multiple of 8")
    if found.responses is not None and found.responses.ranker.bags > 1:
        raise BadInput(str(path), "responses.ranker.bags: want 1: these trees correct others")
    return found
