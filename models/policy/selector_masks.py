"""Which rows of a catalogue a selector is about, as masks: a policy's rules look at all offers.

Each value of each field is looked up once, as the rows that have it, so that a mask costs a few
microseconds however many offers there are.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np

from models.domain.catalogue import Item, Offer, Row, offer_id
from models.domain.exchange import Exchange
from models.domain.selectors import Selector
from models.numeric.array_types import NO_ROWS, Mask, Rows
from models.policy.amount_masks import AmountMasks

KEPT = 256  # masks of a policy's selectors
EXCHANGES = 4  # that amounts are kept for: a policy and those that it is compared with


class SelectorMasks:
    """Answers for the `rows` of one index; row k of it is row k there."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._kept: dict[int, tuple[Selector, Mask]] = {}
        self._amounts: tuple[AmountMasks, ...] = ()

    def updated(self, rows: Sequence[Row]) -> "SelectorMasks":
        """Return the same for rows of the same ids, sharing what their change leaves true."""
        later = SelectorMasks(rows)
        if all(
            new is old or _said(new) == _said(old)
            for new, old in zip(rows, self._rows, strict=True)
        ):
            later._kept = self._kept
            if "_having" in self.__dict__:
                later.__dict__["_having"] = self._having
        return later

    def mask(self, selector: Selector) -> Mask:
        """Return the rows that a selector of a policy is about; not to be written to."""
        kept = self._kept.get(id(selector))
        if kept is None:
            # The selector is kept beside its mask, so that its id stays its own.
            kept = (selector, self.select(selector))
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[id(selector)] = kept
        return kept[1]

    def select(self, selector: Selector) -> Mask:
        """Return the rows that a selector is about."""
        fields: list[tuple[str, tuple[str, ...]]] = [
            ("id", selector.offers),
            ("group", selector.groups),
            ("class", selector.classes),
            ("sensitivity", selector.sensitivities),
            *((f"feature {name}", values) for name, values in selector.features.items()),
        ]
        chosen = np.ones(len(self._rows), np.bool_)
        for field, values in fields:
            if values:
                having = np.zeros(len(self._rows), np.bool_)
                for value in values:
                    having[self._having.get((field, value), NO_ROWS)] = True
                chosen &= having
        return chosen

    def amounts(self, exchange: Exchange) -> AmountMasks:
        """Return the prices, values and margins of the rows, as `exchange` compares them."""
        for kept in self._amounts:
            if kept.exchange == exchange:
                return kept
        found = AmountMasks(self._rows, exchange)
        # One assignment of a whole tuple: threads that ask at once leave each other's alone.
        self._amounts = (found, *self._amounts[: EXCHANGES - 1])
        return found

    @cached_property
    def _having(self) -> dict[tuple[str, str], Rows]:
        found: dict[tuple[str, str], list[int]] = {}
        for at, row in enumerate(self._rows):
            for key in _keys(row):
                found.setdefault(key, []).append(at)
        return {key: np.array(rows, np.int64) for key, rows in found.items()}


def _keys(row: Row) -> Iterator[tuple[str, str]]:
    yield "id", offer_id(row)
    yield "class", row.offer_class
    if row.sensitivity:
        yield "sensitivity", row.sensitivity
    for group in row.groups:
        yield "group", group
    for name, values in row.features.items():
        for value in values:
            yield f"feature {name}", value


def _said(row: Item | Offer) -> tuple[object, ...]:
    return row.offer_class, row.sensitivity, row.groups, row.features
