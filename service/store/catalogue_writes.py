"""Changes of the catalogue that build on what is stored, so that no change in between is lost."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from models.domain.catalogue import Catalogue, Row
from models.errors import Conflict
from service.store.customers.optimistic_writes import ATTEMPTS, back_off
from service.store.store import Store


class Written(NamedTuple):
    """The revision after a change, the rows that it stored, and the catalogue they are made of."""

    revision: int
    rows: Sequence[Row]
    before: Catalogue


def catch_up(store: Store, catalogue: Catalogue) -> Catalogue:
    """Return a catalogue with every change that the store has had since."""
    while True:
        revision, rows = store.catalogue_changes(catalogue.revision)
        if revision == catalogue.revision:
            return catalogue
        catalogue = catalogue.apply(revision, rows)


def change_catalogue(
    store: Store,
    catalogue: Catalogue,
    change: Callable[[Catalogue], Sequence[Row]],
    expected: int | None = None,
) -> Written:
    """Store the rows that `change` makes of the catalogue as it stands, under one new revision.

    `catalogue` is any earlier state of it. Where somebody else's change came first, `change` is
    asked again with that; without rows nothing is stored. Raises `Conflict`, with nothing stored,
    where the current revision is not `expected`, or others came first too often, and whatever
    `change` raises.
    """
    for attempt in range(ATTEMPTS):
        catalogue = catch_up(store, catalogue)
        if expected not in (None, catalogue.revision):
            raise Conflict(f"revision: expected {expected}")
        rows = change(catalogue)
        if not rows:
            return Written(catalogue.revision, rows, catalogue)
        try:
            return Written(store.put_catalogue(rows, catalogue.revision), rows, catalogue)
        except Conflict:
            back_off(attempt)
    raise Conflict("catalogue: too many changes at once; send it again")
