"""What a dataset says of the catalogue, and of the attributes of customers, without a store."""

import errno
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import msgspec

from models.domain.catalogue import Row
from models.domain.dataset import METADATA, TABLES, Metadata, read_metadata
from models.domain.input.catalogue import row_faults
from models.domain.input.reasons import Fault, told_first
from models.errors import BadDataset, BadInput
from service.dataset.parquet import Table, Values
from service.dataset.rows import item_from_row, offer_from_row

_ROW_OF: Mapping[str, Callable[[Values], Row]] = {"items": item_from_row, "offers": offer_from_row}
_attributes = msgspec.json.Decoder(dict[str, str])


def read_catalogue(directory: Path, channels: Collection[str]) -> list[Row]:
    """Return the items and the offers of a dataset, as `load` reads them; raises `BadDataset`."""
    metadata = _metadata(directory)
    held_to = held_to_rules(metadata, channels)
    return [
        row
        for name in _ROW_OF
        if name in metadata.digests
        for row in catalogue_rows(directory, name, held_to)
    ]


def held_to_rules(metadata: Metadata, channels: Collection[str]) -> Collection[str] | None:
    """Return `channels`, or None where rows are not held to the rules of what comes in.

    A keyed dataset is what a store has kept already, whatever is refused since.
    """
    return channels if metadata.identifiers == "plain" else None


def catalogue_rows(directory: Path, name: str, channels: Collection[str] | None) -> list[Row]:
    """Return the rows of a table of the catalogue, `items` or `offers`, in their order.

    They are held to the rules of what comes in where there are `channels`, those that a service
    knows. Raises `BadDataset` naming file, row, column and reason.
    """
    table = Table(directory, name)
    key = name.removesuffix("s")
    rows: dict[str, Row] = {}
    for number, values in enumerate(table.rows()):
        try:
            row = _ROW_OF[name](values)
        except BadInput as error:
            raise table.error(number, error.field, error.reason) from None
        for fault in () if channels is None else row_faults(row, channels):
            column, reason = _column(fault)
            raise table.error(number, key if column == "id" else column, reason)
        if row.id in rows:
            raise table.error(number, key, "named by an earlier row, too")
        rows[row.id] = row
    return list(rows.values())


def read_attributes(directory: Path) -> Mapping[str, set[str]] | None:
    """Return the values of each attribute of the table `customers`; None without that table."""
    if "customers" not in _metadata(directory).digests:
        return None
    table = Table(directory, "customers")
    column = [column.name for column in TABLES["customers"]].index("attributes")
    found: dict[str, set[str]] = {}
    for number, values in enumerate(table.rows()):
        try:
            said = _attributes.decode(values[column])
        except msgspec.MsgspecError:
            raise table.error(number, "attributes", "want an object of texts") from None
        for name, value in said.items():
            found.setdefault(name, set()).add(value)
    return found


def _metadata(directory: Path) -> Metadata:
    if not directory.is_dir():
        raise FileNotFoundError(errno.ENOENT, "not found", str(directory))
    found = read_metadata(directory)
    if "items" not in found.digests:
        raise BadDataset(f"{directory / METADATA}: no table items")
    return found


def _column(fault: Fault) -> tuple[str, str]:
    """Return the column of a table of the catalogue in which a fault is, and the reason."""
    field, part = re.fullmatch(r"(\w+)(.*)", fault.at).groups()  # type: ignore[union-attr]
    if field in ("price", "value") and part:
        name = part.removeprefix(".")
        return name if name == "currency" else f"{field}_{name}", fault.reason
    return field, told_first([Fault(part, fault.reason)])
