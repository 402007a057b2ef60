"""Turn mapped columns into canonical values: text, names, times, numbers, money, lists, JSON."""

from collections.abc import Mapping

import msgspec
import polars as pl

from models.clock_time import EARLIEST, LATEST
from models.domain.input.limits import MONEY_UNITS
from models.domain.input.money import currency_fault
from models.domain.input.numbers import number_fault
from models.domain.input.reasons import Refusal
from models.domain.input.times import time_fault
from models.domain.input.zones import zone_fault
from models.errors import BadInput
from training.importing.decimals import UNCLEAR, plain_decimals
from training.importing.exact_amounts import products, units_and_nanos
from training.importing.field import Field, Spec, as_field
from training.importing.files.names import COMPUTED, ROW
from training.importing.mapping import DatasetSection
from training.importing.row_filter import RowFilter, as_text
from training.importing.times import AMBIGUOUS, EPOCHS, moments, unit_of

_MICROS = 1_000_000
_UTC = pl.Datetime("us", "UTC")


def text(rows: RowFilter, spec: Spec, key: str) -> pl.Series:
    """Return a text column; rejects the rows whose value `map` does not know."""
    field = as_field(spec)
    if field.const is not None:
        return pl.repeat(field.const, rows.frame.height, dtype=pl.String(), eager=True)
    values = _template(rows, field, key)
    if field.map is None:
        return values
    mapped = values.replace_strict(
        list(field.map), list(field.map.values()), default=field.default, return_dtype=pl.String()
    )
    if field.default is None:
        unknown = mapped.is_null() & values.is_not_null()
        rows.reject(unknown, _named(field), f"not in the map of {key}", values)
        mapped = mapped.filter(~unknown)
    return mapped


def number_text(rows: RowFilter, spec: Spec, key: str) -> pl.Series:
    """Return a column of numbers as plain decimals; rejects the rows where it may be two."""
    values = text(rows, spec, key)
    read = plain_decimals(values, rows.written)
    column = _named(as_field(spec))
    rows.note(column, read.note)
    rows.reject(read.unclear, column, UNCLEAR, values)
    return read.texts.filter(~read.unclear)


def add_text(rows: RowFilter, name: str, spec: Spec) -> None:
    """Add text column `name`."""
    values = text(rows, spec, name)
    rows.frame = rows.frame.with_columns(values.alias(COMPUTED + name))


def add_time(rows: RowFilter, name: str, spec: Spec, dataset: DatasetSection) -> None:
    """Add UTC time column `name`; rejects what is no time or was skipped by the clock."""
    field = as_field(spec)
    source = _source(rows, field, name)
    shown = as_text(source)
    zone = field.zone or dataset.zone
    if zone is not None:
        check_zone(zone, f"{rows.key}.{name}.zone" if field.zone else "dataset.zone")
    known = source if source.dtype.is_temporal() else shown
    read = moments(known, field.formats(), field.plus_days, f"{rows.key}.{name}")
    moment, naive, column = read.instant, read.local, _named(field)
    local = naive.is_not_null()
    if local.any():
        moment = moment.zip_with(~local, _localised(naive, field, zone, f"{rows.key}.{name}"))
    rows.note(column, read.note)
    rows.frame = rows.frame.with_columns(moment.alias(COMPUTED + name))
    number = moment.cast(pl.Int64())
    outside = ((number < EARLIEST) | (number > LATEST)).fill_null(False)
    outside_reason = f"{time_fault(LATEST + 1)}{_other_epoch(shown, field)}"
    rows.reject(outside, column, outside_reason, shown)
    moment, shown, local, unclear = (
        part.filter(~outside) for part in (moment, shown, local, read.unclear)
    )
    rows.reject(unclear, column, AMBIGUOUS, shown)
    moment, shown, local = (part.filter(~unclear) for part in (moment, shown, local))
    nothing = moment.is_null() & shown.is_not_null()
    rows.reject(nothing & ~local, column, "not a time", shown)
    keep = ~(nothing & ~local)
    skipped = (nothing & local).filter(keep)
    rows.reject(skipped, column, f"a local time that {zone} skipped", shown.filter(keep))


def add_number(rows: RowFilter, name: str, spec: Spec, dtype: pl.DataType) -> None:
    """Add column `name` of floats or whole numbers; rejects what is none."""
    field = as_field(spec)
    values = number_text(rows, spec, name)
    numbers = values.cast(dtype, strict=False)
    rows.frame = rows.frame.with_columns(numbers.alias(COMPUTED + name))
    reason = "not a number" if dtype.is_float() else "not a whole number"
    rows.reject(values.is_not_null() & numbers.is_null(), _named(field), reason, values)


def add_money(rows: RowFilter, name: str, spec: Spec, dataset: DatasetSection) -> None:
    """Add `name`_units, `name`_nanos and `currency`; amounts are rounded to a billionth."""
    field = as_field(spec)
    currency = field.currency or dataset.currency
    if currency is None:
        raise BadInput(f"{rows.key}.{name}", "no currency, here or in dataset.currency")
    if fault := currency_fault(currency):
        where = f"{rows.key}.{name}.currency" if field.currency else "dataset.currency"
        raise BadInput(where, f"{currency!r}: {fault}")
    amount = number_text(rows, spec, name)
    rows.frame = rows.frame.with_columns(amount.alias(COMPUTED + name))
    if field.times is not None:
        factor = number_text(rows, field.times, f"{name}.times")
        amount = products(rows.frame[COMPUTED + name], factor)
        rows.frame = rows.frame.with_columns(amount.alias(COMPUTED + name))
    number = amount.cast(pl.Float64(), strict=False)
    rows.reject(amount.is_not_null() & number.is_null(), _named(field), "not a number", amount)
    for bad, reason in (
        (~pl.col(name).is_finite(), Refusal.NOT_FINITE),
        (pl.col(name).abs() > MONEY_UNITS, number_fault(MONEY_UNITS + 1, MONEY_UNITS)),
    ):
        amount = rows.frame[COMPUTED + name]
        number = amount.cast(pl.Float64()).alias(name)
        rows.reject(number.to_frame().select(bad).to_series(), _named(field), reason, amount)
    amount = rows.frame[COMPUTED + name]
    units, nanos = units_and_nanos(amount)
    paid = pl.Series(COMPUTED + "currency", [currency], dtype=pl.String())
    paid = paid.new_from_index(0, len(amount)).zip_with(amount.is_not_null(), _nulls(len(amount)))
    if COMPUTED + "currency" in rows.frame.columns:
        other = rows.frame[COMPUTED + "currency"]
        if (other.is_not_null() & paid.is_not_null() & (other != paid)).any():
            raise BadInput(f"{rows.key}.{name}", "all money of a row must be in one currency")
        paid = other.zip_with(other.is_not_null(), paid).alias(COMPUTED + "currency")
    rows.frame = rows.frame.drop(COMPUTED + name).with_columns(
        units.alias(f"{COMPUTED}{name}_units"),
        nanos.alias(f"{COMPUTED}{name}_nanos"),
        paid.alias(COMPUTED + "currency"),
    )


def add_list(rows: RowFilter, name: str, spec: Spec) -> None:
    """Add column `name` of lists of texts: a list column, a text split, or a text alone."""
    field = as_field(spec)
    rows.frame = rows.frame.with_columns(_lists(rows, field, name).alias(COMPUTED + name))


def add_json(rows: RowFilter, name: str, specs: Mapping[str, Spec]) -> None:
    """Add column `name` of JSON objects, keys sorted and without nulls."""
    parts: dict[str, str] = {}
    for key in sorted(specs):
        field = as_field(specs[key])
        part = parts[key] = f"{COMPUTED}{name}.{key}"
        nested = field.column is not None and rows.raw(field.column, name).dtype.is_nested()
        values = (
            _lists(rows, field, f"{name}.{key}")
            if nested or field.split is not None
            else text(rows, specs[key], f"{name}.{key}")
        )
        rows.frame = rows.frame.with_columns(values.alias(part))
    encode = msgspec.json.Encoder().encode
    columns = [rows.frame[part].to_list() for part in parts.values()]
    objects = [
        encode({key: value for key, value in zip(parts, row, strict=True) if value}).decode()
        for row in zip(*columns, strict=True)
    ]
    rows.frame = rows.frame.drop(parts.values()).with_columns(
        pl.Series(COMPUTED + name, objects, dtype=pl.String())
    )


def check_zone(zone: str, key: str) -> None:
    """Raise `BadInput` unless `zone` is in the time zone database."""
    if fault := zone_fault(zone):
        raise BadInput(key, f"{zone!r} is {fault}")


def _named(field: Field) -> str:
    return "+".join(field.columns())


def _nulls(length: int) -> pl.Series:
    return pl.Series([None], dtype=pl.String()).new_from_index(0, length)


def _template(rows: RowFilter, field: Field, key: str) -> pl.Series:
    if field.column is not None:
        return rows.text(field.column, key)
    pieces: list[pl.Series | pl.Expr] = []
    for before, column in field.parts():
        pieces.append(pl.lit(before))
        if column == ROW:
            pieces.append(rows.frame[ROW].cast(pl.String()))
        elif column:
            pieces.append(rows.text(column, key))
    return rows.frame.select(pl.concat_str(pieces).alias(key)).to_series()


def _source(rows: RowFilter, field: Field, key: str) -> pl.Series:
    """Return what a time is made of: the typed raw column, or text."""
    if field.column is None or field.map is not None:
        return text(rows, field, key)
    return rows.plain(field.column, key)


def _lists(rows: RowFilter, field: Field, key: str) -> pl.Series:
    lists = pl.List(pl.String())
    if field.column is not None and rows.raw(field.column, key).dtype.is_nested():
        return rows.raw(field.column, key).cast(lists)
    values = text(rows, field, key)
    split = values.str.split(field.split) if field.split is not None else values.reshape((-1, 1))
    alone = split.cast(lists) if field.split is not None else split.arr.to_list()
    return alone.zip_with(
        values.is_not_null(), pl.Series([None], dtype=lists).new_from_index(0, len(values))
    )


def _other_epoch(shown: pl.Series, field: Field) -> str:
    """Return which epoch numbers that are too large look like, if another than declared."""
    largest = shown.cast(pl.Float64(), strict=False).abs().max()
    likely = unit_of(float(largest)) if isinstance(largest, float) else ""  # as read from text
    if not likely or field.format not in EPOCHS or likely == field.format:
        return ""
    return f'; say format = "{likely}"'


def _localised(naive: pl.Series, field: Field, zone: str | None, key: str) -> pl.Series:
    if zone is None:
        raise BadInput(key, "the times have no zone: say which, here or in dataset.zone")
    place = naive.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    if field.skipped_hour == "after":
        earlier = naive.dt.offset_by("-1h").dt.replace_time_zone(
            zone, ambiguous="earliest", non_existent="null"
        )
        later = earlier + pl.Series([3_600 * _MICROS], dtype=pl.Duration("us"))
        place = place.zip_with(place.is_not_null(), later)
    return place.cast(_UTC)
