"""What stands between the fields of a file of text, found out from its first rows."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from operator import methodcaller
from typing import Any

# Blanks also part words: they divide fields only where nothing else divides the first line.
DELIMITERS = (",", ";", "\t", "|", "::", " ")
SAMPLE = 64  # records looked at
_BLANKS = 0.9  # of the lines that blanks divide alike where they part fields, not words
_ONE_SIGN = "\x1f"  # the unit separator, for a delimiter of several signs, which `csv` has not


def delimiter_of(lines: Sequence[str], quote: str, fields: int = 0) -> str:
    """Return the delimiter that divides `lines` most alike; of those, into the most fields.

    Where the number of `fields` is known, only what divides the first line into as many. A comma
    where nothing divides them.
    """
    best, delimiter = (0.0, 1), ","
    for candidate in DELIMITERS:
        counts = _counts(lines, candidate, quote)
        first = counts[0] if counts else 0
        if first < 2 or (fields and first != fields):
            continue
        alike = sum(count == first for count in counts) / len(counts)
        if candidate == " " and (alike < _BLANKS or best[0] > 0):
            continue
        if (alike, first) > best:
            best, delimiter = (alike, first), candidate
    return delimiter


def usual_fields(lines: Sequence[str], delimiter: str, quote: str) -> int:
    """Return into how many fields most lines are divided."""
    counts = Counter(_counts(lines, delimiter, quote))
    return counts.most_common(1)[0][0] if counts else 0


def reader(
    lines: Iterable[str], delimiter: str, quote: str, *, strict: bool
) -> Iterator[list[str]]:
    """Return the fields of each record of `lines`; raises `csv.Error` for one that is damaged.

    After such an error, and after the end of `lines`, it goes on with what they then give.
    """
    signs = _signs(delimiter, quote)
    if delimiter == " ":
        return csv.reader(map(_ended, lines), strict=strict, skipinitialspace=True, **signs)
    if len(delimiter) == 1:
        return csv.reader(lines, strict=strict, **signs)
    # Maps, not generators: those would end with the first error.
    one_sign = map(methodcaller("replace", delimiter, _ONE_SIGN), lines)
    records = csv.reader(one_sign, strict=strict, **signs)

    def back(fields: list[str]) -> list[str]:  # what was quoted
        return [field.replace(_ONE_SIGN, delimiter) for field in fields]

    return map(back, records)


def _ended(line: str) -> str:
    """Return a line without blanks at its end, which divide nothing."""
    return line.rstrip() + "\n"


def _counts(lines: Sequence[str], delimiter: str, quote: str) -> list[int]:
    counts: list[int] = []
    with suppress(csv.Error):  # what was read up to there tells enough
        records = islice(reader(lines, delimiter, quote, strict=False), SAMPLE)
        counts.extend(len(fields) for fields in records if fields)
    return counts


def _signs(delimiter: str, quote: str) -> dict[str, Any]:
    """Return the arguments of `csv.reader` for these signs."""
    delimiter = delimiter if len(delimiter) == 1 else _ONE_SIGN
    if not quote:
        return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    return {"delimiter": delimiter, "quotechar": quote}
