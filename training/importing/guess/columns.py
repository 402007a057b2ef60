"""What the sample of a column shows: how full, how varied, and whether times or numbers."""

from dataclasses import dataclass
from functools import cached_property

import polars as pl

from models.errors import BadInput
from training.importing.decimals import plain_decimals
from training.importing.files.file_format import FileFormat
from training.importing.guess.words import score
from training.importing.row_filter import as_text
from training.importing.times import Moments, moments

MOST = 0.97  # of the values, where a column is taken for times or numbers
_CLOCK = r"^\d{1,2}:\d\d(:\d\d(\.\d+)?)?$"


def average(numbers: pl.Series) -> float:
    """Return the mean of numbers, or the share of those that are true; 0 of none."""
    mean = numbers.cast(pl.Float64()).mean()
    return mean if isinstance(mean, float) else 0.0


@dataclass(frozen=True)
class Column:
    """A column of a sample: `raw` as it was read."""

    name: str
    raw: pl.Series
    written: FileFormat

    @cached_property
    def plain(self) -> bool:
        """Whether it holds values that are texts, numbers or times."""
        dtype = self.raw.dtype
        return not (dtype.is_nested() or isinstance(dtype, pl.Duration | pl.Binary | pl.Object))

    @cached_property
    def values(self) -> pl.Series:
        """The values there are, as text."""
        if not self.plain:
            return pl.Series([], dtype=pl.String())
        return as_text(self.raw).drop_nulls()

    @cached_property
    def filled(self) -> float:
        """The share of rows that have a value."""
        return len(self.values) / len(self.raw) if len(self.raw) else 0.0

    @cached_property
    def distinct(self) -> int:
        """How many values there are."""
        return self.values.n_unique()

    @cached_property
    def unique(self) -> bool:
        """Whether hardly a value comes twice."""
        return self.distinct >= 0.98 * len(self.values) > 0

    @cached_property
    def numbers(self) -> pl.Series:
        """The values as numbers, null where they are none."""
        texts = plain_decimals(self.values, self.written).texts
        return texts.cast(pl.Float64(), strict=False)

    @cached_property
    def number(self) -> bool:
        """Whether nearly all values are numbers."""
        return len(self.values) > 0 and average(self.numbers.is_not_null()) >= MOST

    @cached_property
    def whole(self) -> bool:
        """Whether nearly all values are whole numbers."""
        numbers = self.numbers.drop_nulls()
        return self.number and bool((numbers == numbers.round()).all())

    @cached_property
    def moments(self) -> Moments:
        """The values as times."""
        source = self.raw if self.raw.dtype.is_temporal() else self.values
        try:
            return moments(source.drop_nulls(), ["guess"], 0, self.name)
        except BadInput:
            return moments(pl.Series([], dtype=pl.String()), ["guess"], 0, self.name)

    @cached_property
    def time(self) -> bool:
        """Whether nearly all values are times of our days, or may be."""
        if not len(self.values) or self.raw.dtype in (pl.Float32(), pl.Boolean()):
            return False
        read = self.moments
        local = read.local.dt.replace_time_zone("UTC")
        years = read.instant.fill_null(local).dt.year()
        ours = years.is_between(1990, 2040).fill_null(False)
        return average(ours | read.unclear) >= MOST

    @cached_property
    def clock(self) -> bool:
        """Whether the values are times of a day."""
        return len(self.values) > 0 and bool(self.values.str.contains(_CLOCK).all())

    @cached_property
    def naive(self) -> bool:
        """Whether some of its times have no zone."""
        return bool(self.moments.local.is_not_null().any() or self.moments.unclear.any())

    @cached_property
    def wordy(self) -> bool:
        """Whether the values read like titles: texts, with blanks in most."""
        if self.number or not len(self.values) or average(self.values.str.len_chars()) < 5:
            return False
        return average(self.values.str.contains(r"\S\s\S")) > 0.5

    def top(self, count: int) -> list[str]:
        """Return the most frequent values."""
        counts = (
            self.values.alias("value")
            .value_counts()
            .sort(["count", "value"], descending=[True, False])
        )
        return counts["value"].head(count).to_list()

    def says(self, role: str) -> float:
        """Return how well its name says a role."""
        return score(self.name, role)
