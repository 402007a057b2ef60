"""Import tables in someone else's schema into a canonical dataset, by a mapping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from models.clock_time import LATEST
from models.domain.dataset import TABLES, Metadata, check_free
from models.domain.input.limits import ITEM_ID_BYTES
from models.domain.input.nobody import BUILT_IN, Nobody
from models.domain.input.reasons import Refusal
from models.errors import BadDataset
from training.importing.assemble import (
    AT,
    ONCE,
    ORDER,
    assemble_events,
    collect_links,
    collect_offers,
    distinct_rows,
    first_of_each,
)
from training.importing.below_zero import take_back
from training.importing.convert import (
    add_json,
    add_list,
    add_money,
    add_number,
    add_text,
    add_time,
    check_zone,
)
from training.importing.files.names import COMPUTED, FILE, ROW
from training.importing.mapping import (
    OF_ROWS,
    Customers,
    DatasetSection,
    Events,
    Items,
    Mapping,
    Source,
    Truth,
)
from training.importing.read_mapping import read_mapping
from training.importing.rejects import Rejects
from training.importing.row_filter import RowFilter
from training.importing.rule_rejects import note_countless, note_zones, reject_findings
from training.log.dataset import empty, write_dataset
from training.log.table_rules import Declared, declared

MONEY = ("amount", "discount", "price", "value")
TRUTH = "truth.parquet"
KEYS = {"items": ["item"], "customers": ["namespace", "identifier"]}

Block = TypeVar("Block", bound=Source)


@dataclass(frozen=True)
class Imported:
    """What an import wrote, and what became of every row; `truth_rows` is None without a truth."""

    metadata: Metadata
    rejects: Rejects
    truth_rows: int | None


def import_dataset(
    mapping_path: Path,
    out: Path,
    *,
    source_dir: Path,
    reject_file: Path,
    max_rejects: float = 0.05,
    progress: Callable[[str], None] = lambda _: None,
    inspect: Callable[[Metadata, dict[str, pl.DataFrame]], None] = lambda _, __: None,
    nobody: Nobody = BUILT_IN,
    now: int = LATEST,
) -> Imported:
    """Import by the mapping at `mapping_path` into the new directory `out`.

    `nobody` are the identifiers that mean nobody; nothing happened later than `now` (microseconds).
    The reject file is always written. Raises `BadInput` for a mapping that is wrong or does not fit
    its files, `FileNotFoundError` for an absent file, `FileExistsError` where `out` is not free,
    and `BadDataset` where more than the share `max_rejects` (in [0, 1]) of the rows was rejected,
    or no event is left; `out` is then not there. Nor is it where `inspect` raises, which is shown
    the metadata and the tables before they are written.
    """
    check_free(out)
    mapping = read_mapping(mapping_path)
    if mapping.dataset.zone is not None:
        check_zone(mapping.dataset.zone, "dataset.zone")
    rejects = Rejects()
    tables = _tables(mapping, source_dir, rejects, progress, nobody, now)
    truth = None if mapping.truth is None else _truth(mapping, mapping.truth, source_dir, rejects)
    rejects.write(reject_file)
    if rejects.share > max_rejects:
        raise BadDataset(
            f"{mapping_path}: {rejects.rejected:,} of {rejects.rows_read:,} rows rejected "
            f"({rejects.share:.2%}), more than {max_rejects:.2%}, such as {rejects.usual()}; "
            f"see {reject_file}"
        )
    if not tables["events"].height:
        raise BadDataset(f"{mapping_path}: no event is left; see {reject_file}")
    about = mapping.dataset
    used = pl.concat(
        table[column]
        for table in tables.values()
        for column in ("namespace", "namespace_a", "namespace_b")
        if column in table.columns
    )
    metadata = Metadata(
        kind=about.kind,
        source=about.source,
        zone=about.zone or "UTC",
        order_over=about.order_over,
        event_types=about.event_types,
        channels=tables["events"]["channel"].unique().sort().to_list(),
        namespaces=used.unique().sort().to_list(),
    )
    progress("checking")
    inspect(metadata, tables)
    progress("writing")
    extras: dict[str, bytes | pl.DataFrame] = {} if truth is None else {TRUTH: truth}
    written = write_dataset(out, tables, metadata, extras)
    return Imported(written, rejects, None if truth is None else truth.height)


def _tables(
    mapping: Mapping,
    directory: Path,
    rejects: Rejects,
    progress: Callable[[str], None],
    nobody: Nobody,
    now: int,
) -> dict[str, pl.DataFrame]:
    about = mapping.dataset
    names = declared(about.channels, about.event_types, about.namespaces, nobody, now)

    def rows(table: str, blocks: Sequence[Source]) -> pl.DataFrame:
        frames = []
        for index, block in enumerate(blocks):
            progress(f"{table}: {block.file}")
            row_filter = RowFilter(f"{table}[{index}]", table, block, directory, rejects)
            mapped = _mapped(row_filter, table, block, about, names)
            if isinstance(block, Items | Customers) and block.again == "first":
                mapped = first_of_each(mapped, KEYS[table], rejects)
            frames.append(mapped)
        return pl.concat(frames, how="diagonal")

    events = rows("events", mapping.events)
    tables = {"events": assemble_events(events, rejects, about.order_over)}
    tables["items"] = empty("items")
    if mapping.items:
        tables["items"] = distinct_rows(
            rows("items", mapping.items), "items", KEYS["items"], rejects
        )
    if mapping.offers:
        tables["offers"] = collect_offers(rows("offers", mapping.offers), rejects)
    if mapping.customers:
        customers = rows("customers", mapping.customers)
        tables["customers"] = distinct_rows(customers, "customers", KEYS["customers"], rejects)
    if mapping.links:
        tables["links"] = collect_links(rows("links", mapping.links), rejects)
    note_countless(tables["events"], names, rejects)
    for name in ("events", "customers"):
        if name in tables:
            note_zones(tables[name], rejects)
    _missing_items(tables, about, rejects)
    return tables


def _mapped(
    row_filter: RowFilter,
    table: str,
    block: Source,
    about: DatasetSection,
    names: Declared,
) -> pl.DataFrame:
    """Return the rows that pass, with the declared columns, `FILE`, `AT`, and what orders rows."""
    types = {column.name: column.type for column in TABLES[table]}
    for name in block.__struct_fields__:
        spec = getattr(block, name)
        if spec is None or name in OF_ROWS:
            continue
        kind = types.get(name)
        if name in MONEY:
            add_money(row_filter, name, spec, about)
        elif kind == "timestamp":
            add_time(row_filter, name, spec, about)
        elif kind == "double":
            add_number(row_filter, name, spec, pl.Float64())
        elif kind == "int64":
            add_number(row_filter, name, spec, pl.Int64())
        elif kind == "strings":
            add_list(row_filter, name, spec)
        elif kind == "json":
            add_json(row_filter, name, spec)
        else:
            add_text(row_filter, name, spec)
    if isinstance(block, Events):
        take_back(row_filter, block.below_zero, about.event_types)
        _add_order(row_filter, block)
        if about.kind == "timed":
            _need(row_filter, "time")
        elif block.sequence is not None:
            _need(row_filter, "sequence")
    return _finished(row_filter, table, block, names)


def _finished(row_filter: RowFilter, table: str, block: Source, names: Declared) -> pl.DataFrame:
    """Reject what is missing or malformed, and keep the canonical columns."""
    columns = TABLES[table]
    absent = [
        pl.lit(None, dtype=empty(table).schema[column.name]).alias(COMPUTED + column.name)
        for column in columns
        if COMPUTED + column.name not in row_filter.frame.columns
    ]
    row_filter.frame = row_filter.frame.with_columns(absent)
    for column in columns:
        if not column.nullable and column.name != "event_id":
            _need(row_filter, column.name)
    reject_findings(row_filter, table, block, names)
    carried = [name for name in row_filter.frame.columns if name.startswith((ORDER, ONCE))]
    return row_filter.frame.select(
        FILE,
        pl.col(ROW).alias(AT),
        *(pl.col(COMPUTED + column.name).alias(column.name) for column in columns),
        *carried,
    )


def _need(row_filter: RowFilter, name: str) -> None:
    values = row_filter.frame[COMPUTED + name]
    nulls = pl.Series([None], dtype=pl.String()).new_from_index(0, len(values))
    row_filter.reject(values.is_null(), name, Refusal.REQUIRED, nulls)


def _add_order(row_filter: RowFilter, block: Events) -> None:
    for index, column in enumerate(block.order):
        name = f"order.{index}"
        add_number(row_filter, name, column, pl.Int64())
        row_filter.frame = row_filter.frame.rename({COMPUTED + name: f"{ORDER}{index}"})
    if block.once:
        parts = [row_filter.text(column, "once") for column in block.once]
        once = row_filter.frame.select(pl.concat_str(parts, separator="\x1f").alias(ONCE))
        row_filter.frame = row_filter.frame.with_columns(once.to_series())


def _missing_items(
    tables: dict[str, pl.DataFrame], about: DatasetSection, rejects: Rejects
) -> None:
    """Add to the items, or only note, those that events and offers name and the table lacks."""
    named = [tables["events"]["item"].drop_nulls()]
    if "offers" in tables:
        named.append(tables["offers"]["items"].explode().drop_nulls().alias("item"))
    every = pl.concat(named)
    known = every.is_in(tables["items"]["item"].implode())
    missing = every.filter(~known).unique().sort()
    if not len(missing):
        return
    event_count = tables["events"]["item"].is_in(missing.implode()).sum()
    what = "added without features" if about.add_missing_items else "not in the items table"
    rejects.notes.append(f"{len(missing):,} items {what}; {event_count:,} events are about them")
    if about.add_missing_items:
        # An event may be about an item whose id is too long for one: no catalogue will have it.
        added = missing.filter(missing.str.len_bytes() <= ITEM_ID_BYTES).to_frame()
        tables["items"] = pl.concat([tables["items"], added], how="diagonal").sort("item")


def _truth(mapping: Mapping, block: Truth, directory: Path, rejects: Rejects) -> pl.DataFrame:
    row_filter = RowFilter("truth", "truth", block, directory, rejects)
    add_text(row_filter, "customer", block.customer)
    add_text(row_filter, "item", block.item)
    columns = ["customer", "item"]
    if block.before is not None:
        columns.append("before")
        if mapping.dataset.kind == "timed":
            add_time(row_filter, "before", block.before, mapping.dataset)
        else:
            add_number(row_filter, "before", block.before, pl.Int64())
    for name in ("customer", "item"):
        _need(row_filter, name)
    targets = row_filter.frame.select(
        *(pl.col(COMPUTED + name).alias(name) for name in columns), FILE
    )
    distinct = targets.unique(columns, keep="first", maintain_order=True)
    for tally in range(len(rejects.tallies)):
        kept, all_ = (int((frame[FILE] == tally).sum()) for frame in (distinct, targets))
        rejects.tallies[tally].kept += kept
        rejects.tallies[tally].repeated += all_ - kept
    return distinct.drop(FILE).sort(columns)
