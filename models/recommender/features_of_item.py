"""Features of the item: what everybody did with it, counted in training and held by the release."""

from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs

TREND = (  # 0 without a trend
    Feature("alone", "log of this item's share where a basket counts once, over its share"),
    Feature("lately, shortest", "log of its share of the latest few targets, over its share"),
    Feature("lately, middle", "log of its share of more of the latest, over its share"),
    Feature("lately, longest", "log of its share of most of the latest, over its share"),
)
ITEM_FEATURES = (
    Feature("log browses", "log of 1 + customers who browsed this item"),
    Feature("log carts", "log of 1 + customers who carted it"),
    Feature("log purchases", "log of 1 + customers who bought it"),
    Feature("bought per browse", "customers who bought it over those who browsed it, smoothed"),
    Feature("carted per browse", "customers who carted it over those who browsed it, smoothed"),
    Feature("bought unseen", "share of its buyers who never browsed or carted it, smoothed"),
    *TREND,
)
BOUGHT = "log purchases"
BOUGHT_FEATURE = [feature.name for feature in ITEM_FEATURES].index(BOUGHT)


def _fill(columns: Floats, of: FeatureInputs) -> None:
    _fill_columns(columns, of.rows, of.item_features)


ITEM = FeatureGroup(ITEM_FEATURES, _fill)


@compiled("void(float32[:,::1], int64[::1], float32[:,::1])")
def _fill_columns(columns: Floats, rows: Rows, item_features: Floats) -> None:
    for at in range(rows.size):
        for j in range(item_features.shape[1]):
            columns[j, at] = item_features[rows[at], j]
