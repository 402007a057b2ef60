"""The ranker's features, in the order of the trees' columns, for serving and training alike.

Every feature is a finite number: there is no missing value and no category. What the customer never
did is longer ago than anything (`NEVER`); a constant column of data without order or time is simply
not used by the trees.

A feature is added to its group, in `declared` and at the same place in `fill`; a group to `GROUPS`.
Names, order and number of the columns follow from that.
"""

from collections.abc import Sequence

import numpy as np

from models.numeric.array_types import Floats
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs
from models.recommender.features_by_table import BY_TABLE
from models.recommender.features_of_customer import CUSTOMER
from models.recommender.features_of_item import ITEM
from models.recommender.features_of_match import MATCH
from models.recommender.features_of_own_item import OWN_ITEM

GROUPS: tuple[FeatureGroup, ...] = (BY_TABLE, OWN_ITEM, CUSTOMER, MATCH, ITEM)


def ranker_features(tables: Sequence[str]) -> tuple[Feature, ...]:
    """Return every feature over these item-to-item tables, in the order of the columns."""
    return tuple(feature for group in GROUPS for feature in group.features(tables))


def feature_columns(inputs: FeatureInputs) -> Floats:
    """Return (features, n): each feature of each of the items described."""
    tables = len(inputs.neighbours.totals)
    widths = [group.width(tables) for group in GROUPS]
    columns = np.empty((sum(widths), len(inputs.rows)), np.float32)
    first = 0
    for group, width in zip(GROUPS, widths, strict=True):
        group.fill(columns[first : first + width], inputs)
        first += width
    return columns


def feature_matrix(inputs: FeatureInputs) -> Floats:
    """Return the same as (n, features), a line for each item: examples to train on."""
    return np.ascontiguousarray(feature_columns(inputs).T)
