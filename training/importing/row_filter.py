"""The rows of one mapped file on their way to a canonical table; rows that fail are rejects.

Raw columns keep their names; computed ones start with `COMPUTED`. Each row is rejected once, for
the first thing wrong with it.
"""

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from models.errors import BadInput
from training.importing.decimals import plain_decimals
from training.importing.files.find import find_sources
from training.importing.files.names import FILE, ROW
from training.importing.mapping import Condition, Join, Pivot, RowTest, Source
from training.importing.rejects import Rejects
from training.importing.sources import read_sources

_COMPARISON = re.compile(r"(<=|>=|!=|<|>|=)\s*(.*)", re.DOTALL)
_COMPARE: dict[str, Callable[[pl.Series, Any], pl.Series]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    "=": operator.eq,
    "!=": operator.ne,
}


class RowFilter:
    """Reads the files of a block, joins others, and keeps what `where` and `require` let pass.

    `frame` holds the rows that are left, the tallies of the files count what became of the others.
    """

    def __init__(
        self, key: str, table: str, source: Source, directory: Path, rejects: Rejects
    ) -> None:
        """Open the files of `source`, the block `key` of the mapping that feeds `table`.

        Raises `BadInput` naming the key where the mapping asks for what the files do not have.
        """
        self.key = key
        self.rejects = rejects
        self.written = source.read
        paths = find_sources(directory, source.file)
        self.name = _called(paths, source.file)
        self.frame = read_sources(paths, directory, table, source.read, rejects)
        if source.duplicates == "drop":
            self._drop_duplicates()
        if source.pivot is not None:
            self._pivot(source.pivot)
        where = dict(source.where)
        for join in source.join:
            if join.many:  # rows that `where` skips need not be multiplied
                there = where.keys() & set(self.frame.columns)
                self._where({column: where.pop(column) for column in sorted(there)})
            self._join(join, directory)
        self._where(where)
        self._require(source.require)

    def text(self, column: str, key: str) -> pl.Series:
        """Return a raw column as text, null where it is empty.

        Raises `BadInput` naming `key` of the mapping where the file has no such column, or one that
        holds what is no text: lists, structs, durations, bytes.
        """
        return as_text(self.plain(column, key))

    def plain(self, column: str, key: str) -> pl.Series:
        """Return a raw column as the file has it; raises as `text` does."""
        series = self.raw(column, key)
        _check_plain(series, f"{self.key}.{key}")
        return series

    def raw(self, column: str, key: str) -> pl.Series:
        """Return a raw column as the file has it.

        Raises `BadInput` naming `key` of the mapping where the file has no such column.
        """
        if column not in self.frame.columns:
            has = ", ".join(name for name in self.frame.columns if name not in (ROW, FILE))
            raise BadInput(
                f"{self.key}.{key}", f"{self.name} has no column {column!r}; it has {has}"
            )
        return self.frame[column]

    def reject(self, bad: pl.Series, column: str, reason: str, values: pl.Series) -> None:
        """Reject the rows where `bad` is true, for what `column` holds there (`values`)."""
        bad = bad.fill_null(False)
        if not bad.any():
            return
        refused = self.frame.select(FILE, ROW, values.alias("value")).filter(bad)
        for (file,), part in refused.group_by(FILE, maintain_order=True):
            name = self.rejects.tallies[int(str(file))].file
            self.rejects.add(name, part[ROW], column, reason, part["value"])
        self.frame = self.frame.filter(~bad)

    def note(self, column: str, note: str) -> None:
        """Tell `note` of a column once, if it says anything."""
        told = f"{self.name}: {column}: {note}"
        if note and told not in self.rejects.notes:
            self.rejects.notes.append(told)

    def _drop_duplicates(self) -> None:
        columns = [name for name in self.frame.columns if name not in (ROW, FILE)]
        before = self.frame
        self.frame = before.unique(columns, keep="first", maintain_order=True)
        for file, count in self._change(before):
            self.rejects.tallies[file].repeated -= count

    def _change(self, before: pl.DataFrame) -> Iterator[tuple[int, int]]:
        """Yield by how many rows each file has more than it had in `before`."""
        now, then = (dict(frame[FILE].value_counts().iter_rows()) for frame in (self.frame, before))
        for file in sorted(now.keys() | then.keys()):
            yield file, now.get(file, 0) - then.get(file, 0)

    def _pivot(self, pivot: Pivot) -> None:
        """Make one row of all that say something of one thing; the others count as repeated."""
        texts = {
            name: self.text(name, "pivot")
            for name in (
                pivot.by,
                pivot.name,
                pivot.value,
                *([pivot.latest] if pivot.latest else ()),
            )
        }
        before = self.frame
        rows = before.select(FILE, ROW).with_columns(texts.values())
        if pivot.latest is not None:
            number = pl.col(pivot.latest).cast(pl.Float64(), strict=False)
            rows = rows.sort(number, pivot.latest, nulls_last=False, maintain_order=True)
        values = (
            pl.col(pivot.value).filter(pl.col(pivot.name) == name).last().alias(name)
            for name in pivot.columns
        )
        self.frame = (
            rows.drop_nulls(pivot.by)
            .group_by(pivot.by, maintain_order=True)
            .agg(pl.col(FILE).first(), pl.col(ROW).first(), *values)
        )
        for file, count in self._change(before):
            self.rejects.tallies[file].repeated -= count

    def _join(self, join: Join, directory: Path) -> None:
        rejects = self.rejects
        paths = find_sources(directory, join.file)
        name_of_right = _called(paths, join.file)
        first, before = len(rejects.tallies), rejects.rejected
        right = read_sources(paths, directory, "join", join.read, rejects).drop(ROW, FILE)
        for tally in rejects.tallies[first:]:
            tally.kept = tally.read
        if rejects.rejected == before:  # a table that is only looked into needs no tally
            del rejects.tallies[first:]
        keys = join.keys()
        for name in (*keys.values(), *(join.columns or ())):
            if name not in right.columns:
                raise BadInput(f"{self.key}.join", f"{name_of_right} has no column {name!r}")
        added = [
            name
            for name in (right.columns if join.columns is None else join.columns)
            if name not in keys.values()
        ]
        taken = sorted(set(added) & set(self.frame.columns))
        if taken:
            raise BadInput(f"{self.key}.join", f"both files have {taken}; choose with `columns`")
        for name in keys.values():
            _check_plain(right[name], f"{self.key}.join")
        on = [f"\0{index}" for index in range(len(keys))]
        left = self.frame.with_columns(
            self.text(name, "join").alias(key) for key, name in zip(on, keys, strict=True)
        )
        right = right.select(
            *(as_text(right[name]).alias(key) for key, name in zip(on, keys.values(), strict=True)),
            *added,
            pl.lit(True).alias("\0found"),
        )
        once = [*on, *added] if join.many else on
        right = right.unique(once, keep="first", maintain_order=True)
        joined = left.join(right, on=on, how="left", maintain_order="left_right")
        missed = joined["\0found"].null_count()
        if missed:
            rejects.notes.append(
                f"{self.name}: {missed} rows without a match in {name_of_right}; kept"
            )
        self.frame = joined.drop("\0found", *on)
        for file, count in self._change(left):
            rejects.tallies[file].added += count

    def _where(self, conditions: dict[str, Condition]) -> None:
        for column, condition in conditions.items():
            holds = self._holds(column, condition, f"where.{column}")
            before = self.frame
            self.frame = before.filter(holds)
            for file, count in self._change(before):
                self.rejects.tallies[file].skipped -= count

    def _require(self, conditions: dict[str, Condition]) -> None:
        for column, condition in conditions.items():
            holds = self._holds(column, condition, f"require.{column}")
            values = self.text(column, "require")
            self.reject(~holds, column, f"not {condition}", values)

    def _holds(self, column: str, condition: Condition, key: str) -> pl.Series:
        """Return where `condition` holds; a value that cannot be compared is a reject."""
        values = self.text(column, key)
        if isinstance(condition, RowTest):
            return _passes(values, condition)
        if isinstance(condition, list):
            return values.is_in(pl.Series(condition, dtype=pl.String()).implode()).fill_null(False)
        if isinstance(condition, bool):
            return (values.str.to_lowercase() == str(condition).lower()).fill_null(False)
        sign, operand = "=", condition
        if isinstance(condition, str) and (found := _COMPARISON.fullmatch(condition)):
            sign, operand = found[1], found[2]
        number = _number(operand)
        if number is None or (isinstance(condition, str) and sign in ("=", "!=")):
            return _COMPARE[sign](values, str(operand)).fill_null(False)
        numbers = plain_decimals(values, self.written).texts.cast(pl.Float64(), strict=False)
        unclear = numbers.is_null() & values.is_not_null()
        self.reject(unclear, column, "not a number", values)
        return _COMPARE[sign](numbers.filter(~unclear), number).fill_null(False)


def _passes(values: pl.Series, test: RowTest) -> pl.Series:
    """Return where all that a test says holds."""
    holds = pl.repeat(True, len(values), eager=True)
    if test.not_ is not None:
        none = [test.not_] if isinstance(test.not_, str) else test.not_
        holds &= ~values.is_in(pl.Series(none, dtype=pl.String()).implode()).fill_null(False)
    if test.empty is not None:
        holds &= values.is_null() if test.empty else values.is_not_null()
    if test.matches is not None:
        holds &= values.str.contains(test.matches).fill_null(False)
    return holds


def _called(paths: Sequence[Path], name: str) -> str:
    return paths[0].name if len(paths) == 1 else name


def _check_plain(series: pl.Series, key: str) -> None:
    dtype = series.dtype
    if dtype.is_nested() or isinstance(dtype, pl.Duration | pl.Binary | pl.Object):
        raise BadInput(key, f"column {series.name!r} holds {dtype}, not text")


def as_text(series: pl.Series) -> pl.Series:
    """Return a column as text: whole floats without a point, times in ISO form, empty as null."""
    dtype = series.dtype
    if dtype.is_float():
        whole = series.is_null() | (series.is_finite() & (series == series.floor()))
        if whole.all() and (series.abs() < 2**53).all():
            return series.cast(pl.Int64()).cast(pl.String())
    if dtype == pl.Date():
        return series.dt.to_string("%Y-%m-%d")
    if isinstance(dtype, pl.Datetime):
        return series.dt.to_string("iso:strict")
    text = series.cast(pl.String())
    return text.set(text == "", None) if dtype == pl.String() else text


def _number(operand: str | float) -> float | None:
    try:
        return float(operand)
    except ValueError:
        return None
