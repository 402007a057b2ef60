"""Features of the customer and the item: what the customer did with this very item."""

import numpy as np

from models.domain.event_types import INTERACTION_LANES
from models.numeric.array_types import Floats, Rows
from models.numeric.compiled import compiled
from models.recommender.feature_group import Feature, FeatureGroup, FeatureInputs
from models.recommender.item_history import NEVER


def _fill(columns: Floats, of: FeatureInputs) -> None:
    history = of.history
    _fill_columns(
        columns,
        of.rows,
        history.rows,
        history.strength,
        history.counts,
        history.steps,
        history.days,
    )


OWN_ITEM = FeatureGroup(
    (
        *(
            Feature(f"{lane} strength", f"decayed latest {lane} of this item, 0 if none")
            for lane in INTERACTION_LANES
        ),
        *(
            Feature(f"{lane} count", f"how often this item is remembered under {lane}")
            for lane in INTERACTION_LANES
        ),
        Feature("steps since", f"interactions since the latest with this item; {NEVER:g} if none"),
        Feature("days since", f"days since the latest interaction with it; {NEVER:g} if none"),
    ),
    _fill,
)


@compiled(
    "void(float32[:,::1], int64[::1], int64[::1], float32[:,::1], float32[:,::1], float32[::1],"
    " float32[::1])"
)
def _fill_columns(
    columns: Floats,
    rows: Rows,
    items: Rows,
    strength: Floats,
    counts: Floats,
    steps: Floats,
    days: Floats,
) -> None:
    lanes = strength.shape[1]
    for at in range(rows.size):
        place = np.searchsorted(items, rows[at])
        if place < items.size and items[place] == rows[at]:
            for lane in range(lanes):
                columns[lane, at] = strength[place, lane]
                columns[lanes + lane, at] = counts[place, lane]
            columns[2 * lanes, at] = steps[place]
            columns[2 * lanes + 1, at] = days[place]
        else:
            for lane in range(lanes):
                columns[lane, at] = 0.0
                columns[lanes + lane, at] = 0.0
            columns[2 * lanes, at] = NEVER
            columns[2 * lanes + 1, at] = NEVER
