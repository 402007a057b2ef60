"""The name that is meant by one that there is not."""

import difflib
from collections.abc import Iterable
from itertools import islice

COMPARED = 2_000  # names: to compare with more takes longer than anybody waits for a hint
_LONG = 64  # characters: what is longer is no slip of a known name


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the known name that is most like `name`; "" where none is much like it."""
    if len(name) > _LONG:
        return ""
    near = difflib.get_close_matches(name, list(islice(known, COMPARED)), 1)
    return near[0] if near else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return what goes behind a refusal of `name`: `; did you mean limit?`, or nothing."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""
