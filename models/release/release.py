"""A release in memory: what training hands over, and what decides once it is loaded."""

from collections.abc import Mapping
from functools import cached_property

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.domain.string_table import StringTable
from models.numeric.array_types import Doubles
from models.numeric.fixed import BIAS_LIMIT, to_fixed
from models.recommender.ranker import SecondStage
from models.release.manifest import Manifest, Vocabulary


class ReleaseContent(msgspec.Struct, frozen=True, kw_only=True):
    """What training hands over to be written.

    With D a multiple of 8 and the bias as last dimension: `item_vectors` (items, D) and
    `item_feature_vectors` (item features, D) are float32, the former complete (identity and
    features summed); `user_feature_vectors` (user features, D) has the user bias last. `popularity`
    (segments, items) is float32, the natural log of an item's smoothed share in the segment;
    `item_weights` (items,) is float32 and positive, for the mean vector of an offer over a set. The
    rows of `second_stage` are those of the vocabulary's items.
    """

    vocabulary: Vocabulary
    item_vectors: NDArray[np.float32]
    item_feature_vectors: NDArray[np.float32]
    user_feature_vectors: NDArray[np.float32]
    popularity: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    second_stage: SecondStage | None = None


class Release:
    """A loaded release, ready to decide; immutable by convention.

    `vectors` and `feature_vectors` are float32 for retrieval; `*_fixed` are the same in units of
    2^-20 for scores. `second_stage` ranks where there is one. `items`, `item_features`,
    `user_features` and `segments` are names by row; `item_row`, `item_feature_row`,
    `user_feature_row` and `segment_row` map names to rows.
    """

    def __init__(self, release_id: str, manifest: Manifest, content: ReleaseContent) -> None:
        self.id = release_id
        self.manifest = manifest
        self.history = manifest.history
        self.vectors = content.item_vectors
        self.feature_vectors = content.item_feature_vectors
        self.item_weights = content.item_weights
        self.second_stage = content.second_stage
        self.users_fixed = _users_fixed(content.user_feature_vectors)
        self.popularity_fixed = to_fixed(content.popularity)
        words = content.vocabulary
        self.name_rows(
            StringTable(words.items),
            StringTable(words.item_features),
            StringTable(words.user_features),
            StringTable(words.segments),
        )

    def name_rows(
        self,
        items: StringTable,
        item_features: StringTable,
        user_features: StringTable,
        segments: StringTable,
    ) -> None:
        """Take over what the rows are called."""
        self.items, self.item_features = items, item_features
        self.user_features, self.segments = user_features, segments
        self.item_row: Mapping[str, int] = items.numbers
        self.item_feature_row: Mapping[str, int] = item_features.numbers
        self.user_feature_row: Mapping[str, int] = user_features.numbers
        self.segment_row: Mapping[str, int] = segments.numbers

    @cached_property
    def buyers(self) -> Doubles | None:
        """Return how many customers bought each item (items,); None without a second stage."""
        return None if self.second_stage is None else self.second_stage.retrieval.buyers

    @property
    def dimensions(self) -> int:
        """Return D, the length of a vector with its bias."""
        return int(self.vectors.shape[1])


def _users_fixed(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return vectors in units of 2^-20; the bias, in the last column, may be larger."""
    parts = to_fixed(vectors[:, :-1]), to_fixed(vectors[:, -1:], BIAS_LIMIT)
    return np.concatenate(parts, axis=1)


def row_numbers(names: list[str]) -> dict[str, int]:
    """Return the row of each name."""
    return {name: row for row, name in enumerate(names)}
