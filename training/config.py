"""How a full model is trained on one dataset: a TOML file, with defaults that hold for any.

Nothing else in the code may know a dataset: what differs between two is said here.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from models.errors import BadInput
from models.retrieval import DEFAULT_QUOTAS, DISCOVERY_QUOTAS, Quotas
from training.contacts import ResponseConfig
from training.fit import Settings
from training.ranker import RankerSettings
from training.trend import TrendConfig


class SplitConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is held out.

    `protocol` is `kind` (as the dataset's kind asks), `last` (each customer's last moment of a
    target), `last item` (of it one item, the others are known), `last share` (the last `share` of
    all moments of a target, in an order over all customers) or `truth` (the rows of `truth.parquet`
    beside the tables). `mask` names event types whose items are left out of a customer's list;
    `pair` takes the target out of everything its customer did; `test_days` is the window of timed
    data. `newcomers` is the share of customers who are kept out of all that is learnt and counted,
    to be measured in the last window as if hardly known.
    """

    protocol: Literal["kind", "truth", "last", "last item", "last share"] = "kind"
    share: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1
    mask: tuple[str, ...] = ()
    pair: bool = False
    test_days: int | None = None
    newcomers: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0


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
    stage_one: Settings = Settings()
    default: IntentConfig = IntentConfig()
    discovery: DiscoveryConfig = DiscoveryConfig()
    folds: int = 5
    windows: int = 2
    remembered: int = 300
    trend: TrendConfig | None = None
    responses: ResponseConfig | None = None
    refit: bool = False


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
