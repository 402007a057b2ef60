"""Which rows of a catalogue a selector is about, as masks: a policy's rules look at all offers.

The rows that have a value of a field are known beforehand, so that a mask costs a few microseconds
however many offers there are.
"""

from collections.abc import Callable, Sequence

import numpy as np

from models.domain.catalogue import Row, offer_id
from models.domain.exchange import Exchange
from models.domain.row_changes import RowChange
from models.domain.selectors import Selector, selects
from models.numeric.array_types import Mask
from models.numeric.patches import patched
from models.policy.amount_columns import AmountColumns
from models.policy.amount_masks import AmountMasks
from models.policy.row_terms import CLASS, FEATURE, GROUP, SENSITIVITY, RowTerms

KEPT = 256  # masks of a policy's selectors
EXCHANGES = 4  # that amounts are kept for: a policy and those that it is compared with
FEW = 64  # changes of rows that kept masks are patched for; of more, masks are made anew


class SelectorMasks:
    """Answers for the `rows` of one index; row k of it is row k there, None where it is nobody's.

    `row_of` tells the row of an offer, `terms` and `columns` are those of the rows; without them
    they are made.
    """

    def __init__(
        self,
        rows: Sequence[Row | None],
        row_of: Callable[[str], int | None] | None = None,
        terms: RowTerms | None = None,
        columns: AmountColumns | None = None,
    ) -> None:
        self._rows = rows
        self._row_of = _places(rows) if row_of is None else row_of
        self._terms = RowTerms(rows) if terms is None else terms
        self._columns = AmountColumns(rows) if columns is None else columns
        self._kept: dict[int, tuple[Selector, Mask]] = {}
        self._amounts: tuple[AmountMasks, ...] = ()

    def updated(
        self,
        changes: Sequence[RowChange],
        rows: Sequence[Row | None],
        row_of: Callable[[str], int | None],
        terms: RowTerms,
        columns: AmountColumns,
    ) -> "SelectorMasks":
        """Return the same after changes of rows, sharing what they leave true."""
        later = SelectorMasks(rows, row_of, terms, columns)
        later._amounts = tuple(one.updated(changes, rows, columns) for one in self._amounts)
        said = [one for one in changes if _said(one.before) != _said(one.after)]
        if not said:
            later._kept = self._kept
        elif len(said) <= FEW:
            at = [one.row for one in said]
            for key, (selector, mask) in list(self._kept.items()):
                chosen = [one.after is not None and selects(selector, one.after) for one in said]
                later._kept[key] = selector, patched(mask, at, chosen)
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
            (GROUP, selector.groups),
            (CLASS, selector.classes),
            (SENSITIVITY, selector.sensitivities),
            *((FEATURE + name, values) for name, values in selector.features.items()),
        ]
        chosen = np.ones(len(self._rows), np.bool_)
        for kind, values in fields:
            if values:
                chosen &= self._terms.mask(kind, values)
        if selector.offers:
            named = np.zeros(len(self._rows), np.bool_)
            found = map(self._row_of, selector.offers)
            named[[row for row in found if row is not None]] = True
            chosen &= named
        return chosen

    def amounts(self, exchange: Exchange) -> AmountMasks:
        """Return the prices, values and margins of the rows, as `exchange` compares them."""
        for kept in self._amounts:
            if kept.exchange == exchange:
                return kept
        found = AmountMasks(self._rows, self._columns, exchange)
        # One assignment of a whole tuple: threads that ask at once leave each other's alone.
        self._amounts = (found, *self._amounts[: EXCHANGES - 1])
        return found


def _places(rows: Sequence[Row | None]) -> Callable[[str], int | None]:
    """Return where each offer stands among `rows`."""
    return {offer_id(row): at for at, row in enumerate(rows) if row is not None}.get


def _said(row: Row | None) -> tuple[object, ...] | None:
    """Return what selectors look at."""
    if row is None:
        return None
    return row.offer_class, row.sensitivity, row.groups, row.features
