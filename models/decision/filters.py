"""Filters: which offers a reason excludes, as masks over the rows of an index."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from models.domain.exclusions import Exclusion
from models.numeric.array_types import NO_ROWS, Mask, Rows
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex


class Filter(NamedTuple):
    """Why some rows of an index are not shown.

    With `leads` an offer is excluded, too, where the item that leads it is.
    """

    exclusion: Exclusion
    rows: Mask
    leads: bool = False

    def excludes(self, row: int, lead: int) -> bool:
        """Tell whether the offer of `row`, led by the item row `lead`, is excluded."""
        return bool(self.rows[row] or (self.leads and self.rows[lead]))


def without(mask: Mask, filters: Sequence[Filter]) -> Mask:
    """Return a copy of `mask` without the rows that filters exclude."""
    left = mask.copy()
    for one in filters:
        left &= ~one.rows
    return left


def base_intent_of(policy: Policy, intent: str) -> str:
    """Return the built-in intent that `intent` behaves like."""
    rule = policy.intents.get(intent)
    return intent if rule is None else rule.like


def mask_of(index: OfferIndex, offers: Iterable[str]) -> Mask:
    """Return the mask of those offers that the catalogue has."""
    mask = np.zeros(len(index.rows), np.bool_)
    mask[rows_of(index, offers)] = True
    return mask


def rows_of(index: OfferIndex, offers: Iterable[str]) -> Rows:
    """Return the rows of those offers that the catalogue has, ascending."""
    found = {row for offer in offers if (row := index.rows.row_of(offer)) is not None}
    return np.array(sorted(found), np.int64) if found else NO_ROWS
