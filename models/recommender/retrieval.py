"""What a release holds for retrieval: which items are worth ranking for one customer."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Floats, Rows
from models.recommender.features_of_item import BOUGHT_FEATURE
from models.recommender.neighbours import NeighbourTables
from models.recommender.segments import SegmentPopularity


class RetrievalTables(NamedTuple):
    """Item-to-item tables, `item_features` (items, ITEM_FEATURES), and what sells.

    `popular` (items,) are all item rows, the most popular first; `shares` the items' shares of what
    each segment turns to.
    """

    tables: NeighbourTables
    item_features: Floats
    popular: Rows
    shares: SegmentPopularity

    @property
    def buyers(self) -> NDArray[np.float64]:
        """Return how many customers bought each item (items,)."""
        return np.expm1(self.item_features[:, BOUGHT_FEATURE].astype(np.float64)).round()
