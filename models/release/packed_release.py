"""A loaded release as arrays, for processes of a machine that have one copy of it in memory."""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part
from models.recommender.segments import SegmentPopularity
from models.release.manifest import Manifest
from models.release.ranker_files import stage_arrays, stage_of, stage_texts
from models.release.release import Release

_NAMES = ("items", "item_features", "user_features", "segments")
_ARRAYS = ("vectors", "feature_vectors", "item_weights", "users_fixed", "popularity_fixed")


def release_arrays(release: Release) -> Arrays:
    """Return all that a loaded release is made of."""
    arrays: Arrays = {name: getattr(release, name) for name in _ARRAYS}
    arrays["manifest"] = _bytes(msgspec.msgpack.encode(release.manifest))
    for name in _NAMES:
        arrays |= nested(name, getattr(release, name).arrays())
    stage = release.second_stage
    if stage is not None:
        arrays["logs"] = stage.retrieval.shares.logs
        arrays |= nested("stage", stage_arrays(stage))
        arrays |= nested("texts", {name: _bytes(text) for name, text in stage_texts(stage).items()})
    return arrays


def release_of_arrays(release_id: str, arrays: Mapping[str, NDArray[Any]]) -> Release:
    """Return the release whose `arrays` these are; nothing is checked again."""
    release = Release.__new__(Release)
    for name in _ARRAYS:
        setattr(release, name, arrays[name])
    release.name_rows(*(StringTable.of_arrays(part(name, arrays)) for name in _NAMES))
    release.id = release_id
    release.manifest = msgspec.msgpack.decode(arrays["manifest"].data, type=Manifest)
    release.history = release.manifest.history
    release.second_stage = None
    texts = {name: text.tobytes() for name, text in part("texts", arrays).items()}
    if texts:
        shares = SegmentPopularity(release.segment_row, arrays["logs"])
        release.second_stage = stage_of(texts, part("stage", arrays), shares)
    return release


def _bytes(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)
