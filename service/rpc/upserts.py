"""What an upsert makes of the rows that are stored."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from models.domain.catalogue import Item, Offer
from service.contract.catalogue_fields import agreeing, check_agreement
from service.contract.errors import NotFound
from service.contract.offer_messages import RowChange
from service.contract.validation import Check

RowT = TypeVar("RowT", Item, Offer)


def whole_rows(kind: type[RowT], changes: Sequence[RowChange]) -> list[RowT]:
    """Return the rows of changes that give every field."""
    return [kind(id=change.id, **change.fields) for change in changes]


def changed_rows(changes: Sequence[RowChange], stored: Mapping[str, RowT]) -> list[RowT]:
    """Return stored rows with the fields that changes give, and all others as they are.

    Raises `NotFound` for the first that is not stored, and `InvalidRequest` where fields given do
    not agree with those that stay.
    """
    check = Check()
    rows = []
    for change in changes:
        there = stored.get(change.id)
        if there is None:
            kind = change.at.partition("[")[0].removesuffix("s")
            raise NotFound(f"{change.at}.{kind}_id: not in the catalogue")
        rows.append(replace(there, **change.fields))
        check_agreement(check, change.at, agreeing(rows[-1]), change.fields.keys())
    check.raise_if_invalid()
    return rows


def keep_withdrawn(rows: Sequence[RowT], stored: Mapping[str, RowT], restore: bool) -> list[RowT]:
    """Return rows as they are stored in the place of others: withdrawn where those are.

    With `restore` none is.
    """
    found = []
    for row in rows:
        there = stored.get(row.id)
        withdrawn = there is not None and there.withdrawn and not restore
        found.append(row if row.withdrawn is withdrawn else replace(row, withdrawn=withdrawn))
    return found
