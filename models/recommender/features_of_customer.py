"""Features of the customer: what they did at all, the same for every item."""

import numpy as np

from models.domain.event_types import BROWSE, CART, INTERACTION_LANES, PURCHASE
from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs
from models.recommender.features_of_item import BOUGHT_FEATURE

_BROWSE, _CART, _PURCHASE = (INTERACTION_LANES.index(lane) for lane in (BROWSE, CART, PURCHASE))


def _fill(columns: Floats, of: FeatureInputs) -> None:
    history = of.history
    _fill_columns(
        columns,
        history.rows,
        history.counts,
        history.responses,
        of.item_features,
        BOUGHT_FEATURE,
        _BROWSE,
        _CART,
        _PURCHASE,
    )


CUSTOMER = FeatureGroup(
    (
        *(
            Feature(f"{lane} items", f"different items the customer remembers under {lane}")
            for lane in INTERACTION_LANES
        ),
        Feature("open browsed", "items browsed and not bought"),
        Feature("open carted", "items carted and not bought"),
        Feature(
            "bought after browsing", "share of the customer's bought items that were browsed too"
        ),
        Feature(
            "bought after carting", "share of the customer's bought items that were carted too"
        ),
        Feature(
            "taste for the popular, bought", "mean log purchases of the items the customer bought"
        ),
        Feature("taste for the popular, browsed", "mean log purchases of the items browsed"),
        Feature("responses", "responses to offers that are remembered; 0 where none are counted"),
    ),
    _fill,
)


@compiled(
    "void(float32[:,::1], int64[::1], float32[:,::1], int64, float32[:,::1], int64, int64, int64,"
    " int64)"
)
def _fill_columns(
    columns: Floats,
    items: Rows,
    counts: Floats,
    responses: int,
    item_features: Floats,
    log_purchases: int,
    browse: int,
    cart: int,
    purchase: int,
) -> None:
    lanes = counts.shape[1]
    line = np.zeros(lanes + 7, np.float32)
    popular_bought, popular_browsed = 0.0, 0.0
    for at in range(items.size):
        for lane in range(lanes):
            line[lane] += np.float32(counts[at, lane] > 0)
        bought, browsed, carted = (
            counts[at, purchase] > 0,
            counts[at, browse] > 0,
            counts[at, cart] > 0,
        )
        line[lanes] += np.float32(browsed and not bought)
        line[lanes + 1] += np.float32(carted and not bought)
        line[lanes + 2] += np.float32(browsed and bought)
        line[lanes + 3] += np.float32(carted and bought)
        if bought:
            popular_bought += item_features[items[at], log_purchases]
        if browsed:
            popular_browsed += item_features[items[at], log_purchases]
    line[lanes + 2] /= max(np.float32(1.0), line[purchase])
    line[lanes + 3] /= max(np.float32(1.0), line[purchase])
    line[lanes + 4] = popular_bought / max(np.float32(1.0), line[purchase])
    line[lanes + 5] = popular_browsed / max(np.float32(1.0), line[browse])
    line[lanes + 6] = np.float32(responses)
    for j in range(line.size):
        for at in range(columns.shape[1]):
            columns[j, at] = line[j]
