"""Rejects the mapped rows that break a rule for what comes in, each for the first of them."""

import polars as pl

from models.domain.dataset import TABLES
from models.domain.input.warnings import is_about_nothing
from models.domain.input.zones import zone_fault
from models.policy.schema import Contact
from training.importing.field import Field, as_field
from training.importing.files.names import COMPUTED
from training.importing.mapping import Source
from training.importing.rejects import Rejects
from training.importing.row_filter import RowFilter
from training.log.table_rules import Declared, findings

ZONE_ATTRIBUTE = Contact().zone_attribute


def reject_findings(rows: RowFilter, table: str, block: Source, names: Declared) -> None:
    """Reject what the rules find in the canonical columns of `table`; columns are the file's."""
    frame = rows.frame.select(
        pl.col(COMPUTED + column.name).alias(column.name) for column in TABLES[table]
    )
    left = pl.repeat(True, frame.height, eager=True)
    for name, reasons in findings(table, frame, names):
        shown = frame[name].cast(pl.String()) if not frame[name].dtype.is_nested() else None
        values = pl.Series([None] * frame.height, dtype=pl.String()) if shown is None else shown
        for reason in reasons.filter(left).unique().drop_nulls().sort().to_list():
            bad = (reasons == reason).fill_null(False)
            rows.reject(bad.filter(left), _source(block, name), reason, values.filter(left))
            left &= ~bad


def note_countless(events: pl.DataFrame, names: Declared, rejects: Rejects) -> None:
    """Note how many events of each type are kept and count for nothing, since about nothing."""
    kinds = [name for name, like in names.event_types.items() if is_about_nothing(like, False)]
    nothing = events.filter(
        pl.col("type").is_in(kinds), pl.col("item").is_null(), pl.col("offer").is_null()
    )
    for kind, count in sorted(nothing["type"].value_counts().iter_rows()):
        nothing_said = "are about no item and no offer, and count for nothing"
        rejects.notes.append(f"{count:,} events of type {kind} {nothing_said}")


def note_zones(rows: pl.DataFrame, rejects: Rejects) -> None:
    """Note how many rows state a time zone that there is not, under the name that policies know."""
    zones = rows.select(zone=pl.col("attributes").str.json_path_match(f"$.{ZONE_ATTRIBUTE}"))
    for zone, count in sorted(zones["zone"].drop_nulls().value_counts().iter_rows()):
        if fault := zone_fault(zone):
            rejects.notes.append(f"{count:,} rows with {ZONE_ATTRIBUTE} {zone!r}: {fault}")


def _source(block: Source, column: str) -> str:
    """Return the columns of the file that a canonical one comes from; itself where from none."""
    known = block.__struct_fields__
    money = column.removesuffix("_units").removesuffix("_nanos")
    name = column if column in known else money
    spec = getattr(block, name) if name in known else None
    if not isinstance(spec, str | Field):
        return column
    return "+".join(as_field(spec).columns()) or column
