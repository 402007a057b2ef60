"""What stands between the fields of a file of text, found out from its first rows."""

import csv
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Any

DELIMITERS = ",;\t|"
SAMPLE = 64  # records looked at


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
        if (alike, first) > best:
            best, delimiter = (alike, first), candidate
    return delimiter


def usual_fields(lines: Sequence[str], delimiter: str, quote: str) -> int:
    """Return into how many fields most lines are divided."""
    counts = Counter(_counts(lines, delimiter, quote))
    return counts.most_common(1)[0][0] if counts else 0


def _counts(lines: Sequence[str], delimiter: str, quote: str) -> list[int]:
    reader = csv.reader(lines, **dialect(delimiter, quote))
    counts: list[int] = []
    with suppress(csv.Error):  # what was read up to there tells enough
        counts.extend(len(fields) for fields in islice(reader, SAMPLE) if fields)
    return counts


def dialect(delimiter: str, quote: str) -> dict[str, Any]:
    """Return the arguments of `csv.reader` for these signs."""
    if not quote:
        return {"delimiter": delimiter, "quoting": csv.QUOTE_NONE}
    return {"delimiter": delimiter, "quotechar": quote}
