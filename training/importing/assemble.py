"""Combine the mapped rows of all files of a table: ids, order, and repeated or contradicting rows.

Until the end, a row has `FILE`, the index of its file's tally, and `AT`, its number in the file.
"""

from collections.abc import Sequence
from hashlib import blake2b

import polars as pl

from models.domain.dataset import TABLES, OrderOver
from models.domain.events import event_key
from models.domain.identifier_groups import IdentifierGroups
from models.domain.profile import IDENTIFIERS_MOST
from training.importing.files.names import COMPUTED, FILE
from training.importing.rejects import Rejects

AT = COMPUTED + "row"
ORDER = COMPUTED + "order"  # followed by an index: the columns that `order` names
ONCE = COMPUTED + "once"
_CONTENT = COMPUTED + "content"
_CUSTOMER = ["namespace", "identifier"]
_ENDS = ["namespace_a", "identifier_a", "namespace_b", "identifier_b"]


def assemble_events(rows: pl.DataFrame, rejects: Rejects, order_over: OrderOver) -> pl.DataFrame:
    """Return the events in canonical order, each with an id that is unique per identifier.

    Where the files order events by columns, these number the events of each customer, or of all.
    """
    order = sorted(name for name in rows.columns if name.startswith(ORDER))
    # A stable sort: rows that compare equal stay as the files have them.
    by = [*_CUSTOMER, *(order or ["time", "sequence"])]
    rows = rows.sort(by, nulls_last=True, maintain_order=True)
    if ONCE in rows.columns:
        first = pl.struct(FILE, *_CUSTOMER, ONCE).is_first_distinct() | pl.col(ONCE).is_null()
        rows = _drop_repeats(rows, rows.select(first).to_series(), rejects)
    if order:
        number = _numbered_over_all if order_over == "dataset" else _numbered
        rows = rows.with_columns(number(rows, order))
    rows = rows.with_columns(_content(rows, "events", without="event_id"))
    occurrence = pl.int_range(pl.len()).over(*_CUSTOMER, _CONTENT)
    identities = rows.select(pl.concat_str(_CONTENT, occurrence, separator="\x1f")).to_series()
    named = rows["event_id"]
    rows = rows.with_columns(named.zip_with(named.is_not_null(), _hashed(identities)))
    rows = _distinct(rows, [*_CUSTOMER, "event_id"], "event_id", rejects)
    _count_kept(rows, rejects)
    key = pl.Series("\0key", [event_key(event) for event in rows["event_id"]], dtype=pl.UInt64())
    rows = rows.with_columns(key).sort("time", *_CUSTOMER, "sequence", "\0key", maintain_order=True)
    return rows.select(_columns("events"))


def distinct_rows(
    rows: pl.DataFrame, table: str, key: Sequence[str], rejects: Rejects
) -> pl.DataFrame:
    """Return `table` sorted by `key`, each key once; another row with the key is a reject."""
    rows = rows.with_columns(_content(rows, table))
    rows = _distinct(rows, list(key), key[-1], rejects)
    _count_kept(rows, rejects)
    return rows.sort(key).select(_columns(table))


def first_of_each(rows: pl.DataFrame, key: Sequence[str], rejects: Rejects) -> pl.DataFrame:
    """Keep the first row of each key; the others, whatever they say, are counted as repeats."""
    return _drop_repeats(rows, rows.select(pl.struct(key).is_first_distinct()).to_series(), rejects)


def collect_offers(rows: pl.DataFrame, rejects: Rejects) -> pl.DataFrame:
    """Return one row for each offer, with the items of all its rows, sorted."""
    rows = rows.with_columns(_content(rows, "offers", without="items"))
    differs = pl.col(_CONTENT) != pl.col(_CONTENT).first().over("offer")
    rows = _reject(rows, rows.select(differs).to_series(), "offer", rejects)
    _count_kept(rows, rejects)
    others = [name for name in _columns("offers") if name not in ("offer", "items")]
    return (
        rows.group_by("offer")
        .agg(pl.col("items").explode().unique().sort(), pl.col(others).first())
        .sort("offer")
        .select(_columns("offers"))
    )


def collect_links(rows: pl.DataFrame, rejects: Rejects) -> pl.DataFrame:
    """Return the links, each once, sorted; one that would make a customer too large is a reject."""
    columns = _columns("links")
    rows = rows.with_columns(_content(rows, "links"))
    rows = _drop_repeats(rows, rows.select(pl.struct(columns).is_first_distinct())[:, 0], rejects)
    rows = rows.sort(["time", *columns])
    groups: IdentifierGroups[tuple[str, str]] = IdentifierGroups()
    beyond = []
    for names in rows.select(*_ENDS).iter_rows():
        a, b = names[:2], names[2:]
        too_many = groups.joined_size(a, b) > IDENTIFIERS_MOST
        beyond.append(too_many)
        if not too_many:
            groups.join(a, b)
    reason = f"joins more than {IDENTIFIERS_MOST} identifiers to one customer"
    rows = _reject(rows, pl.Series(beyond, dtype=pl.Boolean()), "identifier_b", rejects, reason)
    _count_kept(rows, rejects)
    return rows.sort(columns).select(columns)


def _columns(table: str) -> list[str]:
    return [column.name for column in TABLES[table]]


def _content(rows: pl.DataFrame, table: str, without: str = "") -> pl.Series:
    """Return all values of each row as one text, those of column `without` left out."""
    parts = [
        (
            pl.col(c.name).list.join("\x1e")
            if c.type == "strings"
            else pl.col(c.name).cast(pl.String())
        ).fill_null("\x00")
        for c in TABLES[table]
        if c.name != without and (not c.nullable or rows[c.name].null_count() < rows.height)
    ]
    return rows.select(pl.concat_str(parts, separator="\x1f").alias(_CONTENT)).to_series()


def _hashed(texts: pl.Series) -> pl.Series:
    digests = [blake2b(text.encode(), digest_size=12).hexdigest() for text in texts]
    return pl.Series("event_id", digests, dtype=pl.String())


def _numbered(rows: pl.DataFrame, order: Sequence[str]) -> pl.Series:
    """Number the rows of each customer, sorted by `order`, from 1; equal values, equal numbers."""
    # As a column first: within `over`, a run would be counted anew for each customer.
    steps = rows.with_columns(
        pl.struct(*_CUSTOMER, *order).rle_id().cast(pl.Int64()).alias("sequence")
    )
    first = pl.col("sequence").min().over(_CUSTOMER)
    return steps.select(pl.col("sequence") - first + 1).to_series()


def _numbered_over_all(rows: pl.DataFrame, order: Sequence[str]) -> pl.Series:
    """Number all rows, sorted by `order`, from 1; equal values, equal numbers."""
    place = pl.int_range(pl.len()).alias("\0place")
    placed = rows.select(place, *order).sort(order, nulls_last=True)
    step = (pl.struct(order).rle_id() + 1).cast(pl.Int64()).alias("sequence")
    return placed.select("\0place", step).sort("\0place")["sequence"]


def _distinct(rows: pl.DataFrame, key: list[str], column: str, rejects: Rejects) -> pl.DataFrame:
    """Keep the first row of each key; equal rows are counted as repeats, others rejected."""
    first = rows.select(pl.struct(key).is_first_distinct()).to_series()
    if first.all():
        return rows
    keep = rows.select(pl.struct(*key, _CONTENT).is_first_distinct()).to_series()
    rows = rows.with_columns(first.alias("\0first"))
    rows = _drop_repeats(rows, keep, rejects)
    return _reject(rows, ~rows["\0first"], column, rejects).drop("\0first")


def _drop_repeats(rows: pl.DataFrame, keep: pl.Series, rejects: Rejects) -> pl.DataFrame:
    for file, count in rows.filter(~keep)[FILE].value_counts().iter_rows():
        rejects.tallies[file].repeated += count
    return rows.filter(keep)


def _reject(
    rows: pl.DataFrame, bad: pl.Series, column: str, rejects: Rejects, reason: str = ""
) -> pl.DataFrame:
    refused = rows.filter(bad)
    reason = reason or f"an earlier row has this {column} and says otherwise"
    for (file,), part in refused.group_by(FILE, maintain_order=True):
        name = rejects.tallies[int(str(file))].file
        rejects.add(name, part[AT], column, reason, part[column].cast(pl.String()))
    return rows.filter(~bad)


def _count_kept(rows: pl.DataFrame, rejects: Rejects) -> None:
    for file, count in rows[FILE].value_counts().iter_rows():
        rejects.tallies[file].kept = count
