"""Times as people write them become instants: by a declared format, or by what they look like.

Nothing is guessed that may be two things: 3/4/2025 is a day of March or of April, and is only read
where the column shows which, as 31/4/2025 does, or where the mapping says so.
"""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from models.errors import BadInput

# How many microseconds one unit of each epoch is, times a thousand.
EPOCHS = {
    "epoch_seconds": 1_000_000_000,
    "epoch_milliseconds": 1_000_000,
    "epoch_microseconds": 1_000,
    "epoch_nanoseconds": 1,
}
# Formats that read what a time looks like; these differ in what they take 3/4/2025 for.
SHAPES = ("guess", "iso", "day_first", "month_first")
_CLOCK = (
    r"(?:[T ,]+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([AaPp])\.?[Mm]\.?)?"
    r"(?: ?(Z|UTC|GMT|[+-]\d\d(?::?\d\d)?))?)?$"
)
_YEAR_FIRST = r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK
_COMPACT = (
    r"^((?:19|20)\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?:T?([01]\d|2[0-3])(\d\d)(\d\d))?$"
)
_YEAR_LAST = r"^(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d\d)" + _CLOCK
_NAMED = r"^(?:[A-Za-z]{3,9},? )?(\d{1,2})[-. /]+([A-Za-z]{3,9})[-., /]+(\d{4}|\d\d)" + _CLOCK
_NAME_FIRST = r"^(?:[A-Za-z]{3,9},? )?([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4})" + _CLOCK
_EPOCH = r"^-?\d{9,19}(\.\d+)?$"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAIVE = pl.Datetime("us")
_UTC = pl.Datetime("us", "UTC")
_MICROS = 1_000_000
AMBIGUOUS = 'the day or the month first? say format = "day_first" or "month_first"'


class Moments(NamedTuple):
    """Times (n,): `instant` in UTC, or `local` without a zone; `unclear` may be two days."""

    instant: pl.Series
    local: pl.Series
    unclear: pl.Series
    note: str = ""


def moments(source: pl.Series, formats: Sequence[str], plus_days: int, key: str) -> Moments:
    """Return what each value of `source`, a column of texts or times, is in the first format.

    Raises `BadInput` naming `key` for a pattern that is none.
    """
    days = f"{plus_days}d"
    none, no_local = _nothing(source, _UTC), _nothing(source, _NAIVE)
    clear = pl.repeat(False, len(source), eager=True)
    if isinstance(source.dtype, pl.Datetime) and source.dtype.time_zone is not None:
        return Moments(source.cast(_UTC).dt.offset_by(days), no_local, clear)
    if isinstance(source.dtype, pl.Datetime) or source.dtype == pl.Date():
        return Moments(none, source.cast(_NAIVE).dt.offset_by(days), clear)
    found = Moments(none, no_local, clear)
    for name in formats:
        if name in EPOCHS:
            read = Moments(_epoch(source, EPOCHS[name]), no_local, clear)
        elif name in SHAPES:
            read = _shaped(source, name)
        else:
            read = _patterned(source, name, key)
        missing = found.instant.is_null() & found.local.is_null()
        found = Moments(
            found.instant.zip_with(~missing, read.instant),
            found.local.zip_with(~missing, read.local),
            (found.unclear | read.unclear) & missing,
            found.note or read.note,
        )
    unclear = found.unclear & found.instant.is_null() & found.local.is_null()
    instant, local = (part.dt.offset_by(days) for part in (found.instant, found.local))
    return Moments(instant, local, unclear, found.note)


def unit_of(number: float) -> str:
    """Return the epoch that puts a number into the years 1973 to 5138, by its size."""
    for name, least in (
        ("epoch_nanoseconds", 1e17),
        ("epoch_microseconds", 1e14),
        ("epoch_milliseconds", 1e11),
    ):
        if abs(number) >= least:
            return name
    return "epoch_seconds"


def _nothing(source: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, len(source))


def _epoch(values: pl.Series, unit: int) -> pl.Series:
    """Return instants of numbers; whole ones exactly, others to the microsecond."""
    whole = values.cast(pl.Int64(), strict=False)
    # Beyond what 64 bits hold there is no time: a float tells, and its cast gives null.
    near = (values.cast(pl.Float64(), strict=False) * (unit / 1_000)).round()
    micros = whole * (unit // 1_000) if unit >= 1_000 else whole // 1_000
    exact = whole.is_not_null() & (near.abs() < 2.0**62)
    return micros.zip_with(exact, near.cast(pl.Int64(), strict=False)).cast(_UTC)


def _patterned(values: pl.Series, pattern: str, key: str) -> Moments:
    clear = pl.repeat(False, len(values), eager=True)
    try:
        parsed = values.str.to_datetime(pattern, time_unit="us", strict=False)
    except pl.exceptions.PolarsError as error:
        raise BadInput(key, f"format {pattern!r}: {str(error).splitlines()[0]}") from None
    if isinstance(parsed.dtype, pl.Datetime) and parsed.dtype.time_zone is not None:
        return Moments(parsed.cast(_UTC), _nothing(values, _NAIVE), clear)
    return Moments(_nothing(values, _UTC), parsed.cast(_NAIVE), clear)


def _shaped(values: pl.Series, name: str) -> Moments:
    """Read values by their shapes; `name` is one of `SHAPES`."""
    parts = _groups(values, _YEAR_FIRST, ("year", "month", "day"))
    unclear, note = pl.repeat(False, len(values), eager=True), ""
    if name != "iso":
        last, unclear, note = _year_last(values, name)
        for other in (_groups(values, _COMPACT, ("year", "month", "day")), last, *_named(values)):
            parts = parts.with_columns(
                parts[column].fill_null(other[column]) for column in parts.columns
            )
    instant, local = _put_together(parts)
    if name != "iso":
        numbers = values.str.contains(_EPOCH).fill_null(False) & local.is_null()
        for unit, factor in EPOCHS.items():
            size = values.filter(numbers).cast(pl.Float64())
            this = numbers.clone()
            if len(size):
                right = pl.Series([unit_of(number) == unit for number in size])
                this = this.scatter(numbers.arg_true(), right)
            if this.any():
                instant = instant.zip_with(~this, _epoch(values, factor))
    return Moments(
        instant, local.zip_with(instant.is_null(), _nothing(values, _NAIVE)), unclear, note
    )


_COLUMNS = ("year", "month", "day", "hour", "minute", "second", "part", "half", "zone")


def _groups(values: pl.Series, pattern: str, date: Sequence[str]) -> pl.DataFrame:
    """Return the named parts of the values that `pattern` matches, null of others."""
    found = values.str.extract_groups(pattern).struct.unnest()
    names = [*date, *_COLUMNS[3:]][: found.width]
    found = found.rename(dict(zip(found.columns, names, strict=True)))
    missing = [
        pl.lit(None, dtype=pl.String()).alias(name) for name in _COLUMNS if name not in names
    ]
    return found.with_columns(missing)


def _year_last(values: pl.Series, name: str) -> tuple[pl.DataFrame, pl.Series, str]:
    """Return day, month and year of 31.12.2025 and 12/31/2025, what is unclear, and a note."""
    found = _groups(values, _YEAR_LAST, ("first", "sign", "second_one", "year"))
    first, second = (found[part].cast(pl.Int64()) for part in ("first", "second_one"))
    dotted = (found["sign"] == ".").fill_null(False)
    open_ = first.is_not_null() & ~dotted
    day_first = bool((open_ & (first > 12) & (second <= 12)).any())
    month_first = bool((open_ & (second > 12) & (first <= 12)).any())
    chosen, note = name, ""
    if name == "guess" and day_first != month_first:
        chosen = "day_first" if day_first else "month_first"
        shows = values.filter(open_ & ((first if day_first else second) > 12))[0]
        note = f"{chosen.replace('_', ' comes ')}, as {shows} shows"
    is_month_first = open_ & (
        (second > 12)
        if chosen == "guess"
        else pl.repeat(chosen == "month_first", len(values), eager=True)
    )
    unclear = open_ & (first <= 12) & (second <= 12) & (first != second)
    if chosen != "guess":
        unclear = pl.repeat(False, len(values), eager=True)
    day, month = first.zip_with(~is_month_first, second), second.zip_with(~is_month_first, first)
    made = found.with_columns(
        month.zip_with(~unclear, _nothing(values, pl.Int64())).cast(pl.String()).alias("month"),
        day.cast(pl.String()).alias("day"),
    )
    return made, unclear.fill_null(False), note


def _named(values: pl.Series) -> list[pl.DataFrame]:
    """Return day, month and year where the month is written by its English name."""
    frames = []
    for pattern, date in (
        (_NAMED, ("day", "month", "year")),
        (_NAME_FIRST, ("month", "day", "year")),
    ):
        found = _groups(values, pattern, date)
        names = found["month"].str.slice(0, 3).str.to_lowercase()
        numbers = names.replace_strict(
            list(_MONTHS), [str(n) for n in range(1, 13)], default=None, return_dtype=pl.String()
        )
        frames.append(found.with_columns(numbers.alias("month")))
    return frames


def _put_together(parts: pl.DataFrame) -> tuple[pl.Series, pl.Series]:
    """Return instants of the parts that have a zone, and local times of the others."""
    year = pl.when(pl.col("year").str.len_bytes() == 2).then("20" + pl.col("year"))
    hour = pl.col("hour").cast(pl.Int64())
    half = pl.col("half").str.to_lowercase()
    hour = (
        pl.when(half.is_null())
        .then(hour)
        .when(hour > 12)
        .then(None)
        .otherwise(hour % 12 + pl.when(half == "p").then(12).otherwise(0))
    )
    text = pl.concat_str(
        year.otherwise(pl.col("year")),
        pl.lit("-"),
        pl.col("month").str.zfill(2),
        pl.lit("-"),
        pl.col("day").str.zfill(2),
        pl.lit("T"),
        pl.when(pl.col("hour").is_null())
        .then(pl.lit("00"))
        .otherwise(hour.cast(pl.String()).str.zfill(2)),
        pl.lit(":"),
        pl.col("minute").fill_null("00"),
        pl.lit(":"),
        pl.col("second").fill_null("00"),
        pl.lit("."),
        pl.col("part").fill_null("0"),
    )
    zone = pl.col("zone")
    hours = zone.str.slice(1, 2).cast(pl.Int64(), strict=False)
    minutes = zone.str.extract(r"(\d\d)$").cast(pl.Int64(), strict=False)
    offset = hours.fill_null(0) * 60 + pl.when(zone.str.len_bytes() > 3).then(minutes).otherwise(0)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    offset = pl.when(zone.str.contains(r"^[+-]")).then(offset * sign).otherwise(0)
    made = parts.select(
        text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us", strict=False).alias("local"),
        offset.alias("offset"),
        zone.is_not_null().alias("aware"),
    )
    instant = (made["local"].cast(pl.Int64()) - made["offset"] * 60 * _MICROS).cast(_UTC)
    aware = made["aware"]
    return (
        instant.zip_with(aware, _nothing(instant, _UTC)),
        made["local"].zip_with(~aware, _nothing(instant, _NAIVE)),
    )
