"""Which offers diversity could still let into a slate, given what it shows already."""

from collections.abc import Sequence

import numpy as np

from models.numeric.array_types import Mask
from models.policy.schema import AtMost
from models.ranking.offer_index import OfferIndex


def open_rows(
    index: OfferIndex,
    diversity: Sequence[AtMost],
    leads: Sequence[int],
    values: Sequence[Sequence[str]],
) -> Mask:
    """Return the rows (rows,) of an index that the offers shown do not keep from the slate.

    `leads` are the item rows that lead these, `values` what each rule of `diversity` saw of them.
    Which item leads an offer over a set is not known before it is scored: it counts as open where
    one of its items would do.
    """
    items = index.rows.item_count
    found = np.ones(len(index.rows), np.bool_)
    found[list(leads)] = False
    found[items:] = index.members.sets_with(found[:items])
    for rule, shown in zip(diversity, values, strict=True):
        full = {value for value in shown if value and shown.count(value) >= rule.limit}
        if full:
            room = ~index.feature_values.among(rule.feature, full)
            # An offer that has no value of its own has that of the item that leads it.
            silent = index.feature_values.among(rule.feature, {""})[items:]
            room[items:] &= ~silent | index.members.sets_with(room[:items])
            found &= room
    return found
