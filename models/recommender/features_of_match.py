"""Features of how the item fits the customer and the moment, other than by relations of items."""

from models.numeric.array_types import Floats
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs


def _fill(columns: Floats, of: FeatureInputs) -> None:
    columns[0] = of.matches.embedding
    columns[1] = of.matches.popularity


MATCH = FeatureGroup(
    (
        Feature("embedding", "history embedding times item vector, biases included"),
        Feature(
            "segment popularity", "log share of this item at moments like this one, by segments", 1
        ),
    ),
    _fill,
)
