"""Strings that have numbers, both ways, in three arrays: 1,000,000 ids without an object for each.

The text is UTF-8, one string behind the other. A string's number is found by open addressing: from
the slot of its hash on, up to one that is free. A process whose hashes of strings are other ones
than those of who made the slots makes its own (workers of one server are started with one seed).
"""

import operator
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, SupportsIndex, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_file import Arrays

KEPT = 8_192  # strings whose numbers were asked for, and are kept by these
D = TypeVar("D")

_FREE = -1
_PROBE = "throughline"  # its hash tells which seed hashes are made with


class StringTable(Sequence[str]):
    """Distinct strings, numbered from 0 in the order they were given; immutable."""

    def __init__(self, strings: Iterable[str]) -> None:
        encoded = [string.encode() for string in strings]
        ends = np.fromiter(accumulate(map(len, encoded), initial=0), np.int64, len(encoded) + 1)
        self._set(np.frombuffer(b"".join(encoded), np.uint8), ends, None)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "StringTable":
        """Return the table whose `arrays` these are."""
        table = cls.__new__(cls)
        same = int(arrays["probe"][0]) == hash(_PROBE)
        table._set(arrays["text"], arrays["ends"], arrays["slots"] if same else None)
        return table

    def arrays(self) -> Arrays:
        """Return all that the table is made of."""
        probe = np.array([hash(_PROBE)], np.int64)
        return {"text": self._text_, "ends": self._ends_, "slots": self._slots_, "probe": probe}

    def number(self, string: str) -> int | None:
        """Return the number of a string, None where it is not in the table."""
        found = self._kept.get(string)
        if found is not None:
            return found
        at = hash(string) & self._mask
        while (number := self._slots[at]) != _FREE:
            if self[number] == string:
                if len(self._kept) >= KEPT:
                    self._kept.clear()
                self._kept[string] = number
                return number
            at = (at + 1) & self._mask
        return None

    @overload
    def __getitem__(self, number: SupportsIndex) -> str: ...

    @overload
    def __getitem__(self, number: slice) -> list[str]: ...

    def __getitem__(self, number: SupportsIndex | slice) -> str | list[str]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        at = operator.index(number)
        if at < 0:
            at += len(self)
        return str(self._text[self._ends[at] : self._ends[at + 1]], "utf-8")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        text, ends = bytes(self._text), self._ends_.tolist()
        return (text[a:b].decode() for a, b in pairwise(ends))

    def __contains__(self, string: object) -> bool:
        return isinstance(string, str) and self.number(string) is not None

    @property
    def numbers(self) -> "Numbers":
        """Return the number of each string, as a mapping."""
        return Numbers(self)

    def _set(self, text: NDArray[Any], ends: NDArray[Any], slots: NDArray[np.int32] | None) -> None:
        self._text_, self._ends_ = text, ends
        self._text, self._ends = text.data, ends.data
        if slots is None:
            count = len(ends) - 1
            slots = _slots(np.fromiter(map(hash, self), np.int64, count))
        self._slots_, self._slots = slots, slots.data
        self._mask = len(slots) - 1
        self._kept: dict[str, int] = {}


class Numbers(Mapping[str, int]):
    """The number of each string of a table."""

    def __init__(self, table: StringTable) -> None:
        self._table = table
        self._number = table.number

    def __getitem__(self, string: str) -> int:
        number = self._number(string)
        if number is None:
            raise KeyError(string)
        return number

    @overload
    def get(self, string: str, /) -> int | None: ...

    @overload
    def get(self, string: str, /, default: int | D) -> int | D: ...

    def get(self, string: str, /, default: int | D | None = None) -> int | D | None:
        """Return the number of a string, or `default` where it is not in the table."""
        number = self._number(string)
        return default if number is None else number

    def __contains__(self, string: object) -> bool:
        return string in self._table

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[str]:
        return iter(self._table)

    def items(self) -> ItemsView[str, int]:
        """Return strings and their numbers, at once."""
        return {string: number for number, string in enumerate(self._table)}.items()


def _slots(hashes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return slots, at most half of them taken, with the number of each hash."""
    size = 1 << (2 * len(hashes)).bit_length()
    slots = np.full(size, _FREE, np.int32)
    numbers, at = np.arange(len(hashes), dtype=np.int32), hashes & (size - 1)
    while len(numbers):
        free = slots[at] == _FREE
        slots[at[free]] = numbers[free]  # of several that want it, the last has it
        other = slots[at] != numbers
        numbers, at = numbers[other], (at[other] + 1) & (size - 1)
    return slots
