"""What a dataset says of the catalogue, and of the attributes of customers, without a store."""

import errno
from collections.abc import Mapping
from pathlib import Path

import msgspec

from models.domain.catalogue import Row
from models.domain.dataset import METADATA, TABLES, read_metadata
from models.errors import BadDataset, BadInput
from service.dataset.parquet import Table
from service.dataset.rows import item_from_row, offer_from_row

_attributes = msgspec.json.Decoder(dict[str, str])


def read_catalogue(directory: Path) -> list[Row]:
    """Return the items and the offers of a dataset; raises `BadDataset`."""
    tables = _tables(directory)
    rows: list[Row] = []
    for name, row_of in (("items", item_from_row), ("offers", offer_from_row)):
        if name in tables:
            table = Table(directory, name)
            for number, values in enumerate(table.rows()):
                try:
                    rows.append(row_of(values))
                except BadInput as error:
                    raise table.error(number, error.field, error.reason) from None
    return rows


def read_attributes(directory: Path) -> Mapping[str, set[str]] | None:
    """Return the values of each attribute of the table `customers`; None without that table."""
    if "customers" not in _tables(directory):
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


def _tables(directory: Path) -> Mapping[str, str]:
    if not directory.is_dir():
        raise FileNotFoundError(errno.ENOENT, "not found", str(directory))
    found = read_metadata(directory).digests
    if "items" not in found:
        raise BadDataset(f"{directory / METADATA}: no table items")
    return found
