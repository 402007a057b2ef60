"""The configuration of a training run: a TOML file, with defaults that fit any dataset.

No other code may know a particular dataset: what differs between datasets is configured here.
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

    Only `share` of the customers, drawn under `seed`, are learnt from and measured on. `stage_one`
    is the retrieval model, `default` and `discovery` are the intents of the second stage. `folds`
    is how many parts cross-fitting deals customers into, `windows` how many windows before the test
    timed data is learnt from, `remembered` how many items of a customer are counted in each lane.
    Without `trend` all shares are of all time. With `responses` the release ranks by the rate of
    response to contacts, and its label says so. With `refit` the release is fitted again on
    everything once it is measured.
    """

    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1.0
    split: SplitConfig = SplitConfig()
    stage_one: StageOneSettings = StageOneSettings()
    default: IntentConfig = IntentConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    folds: Annotated[int, msgspec.Meta(ge=2)] = 5
    windows: Annotated[int, msgspec.Meta(ge=1)] = 2
    remembered: Annotated[int, msgspec.Meta(ge=1)] = 300
    trend: TrendConfig | None = None
    responses: ResponseConfig | None = None
    refit: bool = False

    @property
    def second_stage(self) -> SecondStageSettings:
        """Return the settings of the second stage."""
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
    """Read a configuration; raises `BadInput` naming the file and the field that is wrong."""
    try:
        config = msgspec.toml.decode(path.read_bytes(), type=TrainConfig)
    except OSError as error:
        raise BadInput(str(path), error.strerror or "cannot be read") from None
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadInput(str(path), str(error)) from None
    if config.stage_one.dimensions < 8 or config.stage_one.dimensions % 8:
        raise BadInput(str(path), "stage_one.dimensions: want a multiple of 8")
    if config.responses is not None and config.responses.ranker.bags > 1:
        raise BadInput(str(path), "responses.ranker.bags: want 1: these trees correct others")
    return config
