"""The second stage as files of a release: what they are, and how they are read.

`second_stage.json` names the tables and says of each intent how its scores are calibrated and how
many candidates each source may propose; the trees of an intent are LightGBM's text, read by
`models.recommender.trees` alone; everything else is an array. Nothing unchecked reaches a compiled
loop.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.canonical import encode_canonical
from models.domain.event_types import INTERACTION_LANES
from models.errors import BadRelease
from models.recommender.calibration import Calibration
from models.recommender.features_of_item import ITEM_FEATURES
from models.recommender.neighbours import NeighbourTables
from models.recommender.ranker import (
    RANKED,
    TABLES_LIMIT,
    Ensemble,
    SecondStage,
    check_second_stage,
)
from models.recommender.retrieval import RetrievalTables
from models.recommender.segments import SegmentPopularity
from models.recommender.sources import Quotas
from models.recommender.trees import read_trees
from models.release.arrays import STAGE_ARRAYS, check_arrays
from models.release.verified_files import Bytes, read_json

STAGE = "second_stage.json"
STAGE_FILES = (
    STAGE,
    *(f"{intent}.txt" for intent in RANKED),
    *(f"{name}.npy" for name in STAGE_ARRAYS),
)


class _Intent(msgspec.Struct, frozen=True, kw_only=True):
    """The knots of the calibration, and the quotas of the sources."""

    quotas: Quotas
    scores: list[float]
    rates: list[float]


class _Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What the arrays' axes are, and what is said of each intent."""

    tables: list[str]
    lanes: list[str]
    item_features: list[str] = msgspec.field(name="facts")
    intents: dict[str, _Intent]


def stage_texts(stage: SecondStage) -> dict[str, bytes]:
    """Return the content of every file of `stage` that is no array."""
    said = _Stage(
        tables=list(stage.retrieval.tables.names),
        lanes=list(INTERACTION_LANES),
        item_features=[feature.name for feature in ITEM_FEATURES],
        intents={
            name: _Intent(
                quotas=ensemble.quotas,
                scores=ensemble.calibration.scores.tolist(),
                rates=ensemble.calibration.rates.tolist(),
            )
            for name, ensemble in stage.ensembles.items()
        },
    )
    texts = {f"{name}.txt": one.trees.text.encode() for name, one in stage.ensembles.items()}
    return {STAGE: encode_canonical(said), **texts}


def stage_arrays(stage: SecondStage) -> dict[str, NDArray[Any]]:
    """Return every array of `stage` by name, as `STAGE_ARRAYS` declares them."""
    tables = stage.retrieval.tables
    return {
        "table_lanes": tables.lanes,
        "table_starts": tables.starts,
        "table_rows": tables.rows,
        "table_weights": tables.weights,
        "item_facts": stage.retrieval.item_features,
        "popular": stage.retrieval.popular,
    }


def read_stage(items: int, shares: SegmentPopularity, data: Mapping[str, Bytes]) -> SecondStage:
    """Return the second stage over `items` items from the content of its files.

    `shares` are the release's own, which both stages read. Raises `BadRelease` with the file at
    fault.
    """
    said = read_json(STAGE, data[STAGE].tobytes(), _Stage)
    features = [feature.name for feature in ITEM_FEATURES]
    if said.lanes != list(INTERACTION_LANES) or said.item_features != features:
        raise BadRelease(f"{STAGE}: lanes or item features are not those of this version")
    if not 1 <= len(said.tables) <= TABLES_LIMIT:
        raise BadRelease(f"{STAGE}: tables: want 1 to {TABLES_LIMIT}")
    if said.intents.keys() != set(RANKED):
        raise BadRelease(f"{STAGE}: intents: want {' and '.join(RANKED)}")
    sizes = {
        "items": items,
        "lists and one": items * len(said.tables) + 1,
        "tables": len(said.tables),
        "lanes": len(INTERACTION_LANES),
        "ranker item features": len(ITEM_FEATURES),
    }
    arrays = check_arrays(STAGE_ARRAYS, sizes, data)
    texts = {name: one.tobytes() for name, one in data.items() if not name.endswith(".npy")}
    stage = stage_of(texts, arrays, shares)
    check_second_stage(stage, items)
    return stage


def stage_of(
    texts: Mapping[str, bytes], arrays: Mapping[str, NDArray[Any]], shares: SegmentPopularity
) -> SecondStage:
    """Return the second stage of the contents of its files: texts, and arrays by their names."""
    said = read_json(STAGE, texts[STAGE], _Stage)
    tables = NeighbourTables(
        tuple(said.tables),
        arrays["table_lanes"],
        arrays["table_starts"],
        arrays["table_rows"],
        arrays["table_weights"],
    )
    ensembles = {
        name: Ensemble(
            read_trees(_ascii(f"{name}.txt", texts), f"{name}.txt"),
            Calibration(np.array(one.scores, np.float64), np.array(one.rates, np.float64)),
            one.quotas,
        )
        for name, one in sorted(said.intents.items())
    }
    retrieval = RetrievalTables(tables, arrays["item_facts"], arrays["popular"], shares)
    return SecondStage(retrieval, ensembles)


def _ascii(name: str, texts: Mapping[str, bytes]) -> str:
    try:
        return texts[name].decode("ascii")
    except UnicodeDecodeError:
        raise BadRelease(f"{name}: not ASCII") from None
