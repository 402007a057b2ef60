"""Rows of a catalogue as bytes: each is read when it is asked for, and is no object till then."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays, nested, part

KEPT = 4_096  # rows that were read, and are kept

R = TypeVar("R")

_encoder = msgspec.msgpack.Encoder()


class PackedRows(Mapping[str, R], Generic[R]):
    """Rows by id, in the order of the ids; immutable.

    A row that is asked for again is equal to the one of before, and may be another object.
    """

    def __init__(self, rows: Mapping[str, R], type_: type[R]) -> None:
        names = sorted(rows)
        blobs = [_encoder.encode(rows[name]) for name in names]
        self._pack(StringTable(names), blobs, msgspec.msgpack.Decoder(type_))

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], type_: type[R]) -> "PackedRows[R]":
        """Return the rows whose `arrays` these are."""
        rows = cls.__new__(cls)
        ids, decoder = StringTable.of_arrays(part("ids", arrays)), msgspec.msgpack.Decoder(type_)
        rows._set(ids, arrays["blobs"], arrays["ends"], decoder)
        return rows

    def arrays(self) -> Arrays:
        """Return all that the rows are made of."""
        return {
            **dict(nested("ids", self.ids.arrays())),
            "blobs": self._blobs_,
            "ends": self._ends_,
        }

    def merged(self, changed: Mapping[str, R]) -> "PackedRows[R]":
        """Return these rows with those of `changed` in their places; the others stay bytes."""
        every, ids = list(map(self._blob, range(len(self)))), self.ids
        new: dict[str, bytes] = {}
        for name, row in changed.items():
            number, blob = ids.number(name), _encoder.encode(row)
            if number is None:
                new[name] = blob
            else:
                every[number] = blob
        if new:
            names = [*ids, *new]
            every += new.values()
            order = sorted(range(len(names)), key=names.__getitem__)
            ids, every = StringTable(names[at] for at in order), [every[at] for at in order]
        found = PackedRows.__new__(PackedRows)
        found._pack(ids, every, self._decoder)
        return found

    def __getitem__(self, name: str) -> R:
        found = self._kept.get(name)
        if found is None:
            number = self.ids.number(name)
            if number is None:
                raise KeyError(name)
            found = self._read(number)
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[name] = found
        return found

    def __contains__(self, name: object) -> bool:
        return name in self.ids

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[str]:
        return iter(self.ids)

    def in_order(self) -> Iterator[R]:
        """Yield all rows in the order of their ids, keeping none."""
        return map(self._read, range(len(self)))

    def _read(self, number: int) -> R:
        return self._decoder.decode(self._blob(number))

    def _blob(self, number: int) -> memoryview | bytes:
        return self._blobs[self._ends[number] : self._ends[number + 1]]

    def _pack(
        self,
        ids: StringTable,
        blobs: Sequence[memoryview | bytes],
        decoder: msgspec.msgpack.Decoder[R],
    ) -> None:
        ends = np.fromiter(accumulate(map(len, blobs), initial=0), np.int64, len(blobs) + 1)
        self._set(ids, np.frombuffer(b"".join(blobs), np.uint8), ends, decoder)

    def _set(
        self,
        ids: StringTable,
        blobs: NDArray[Any],
        ends: NDArray[Any],
        decoder: msgspec.msgpack.Decoder[R],
    ) -> None:
        self.ids = ids
        self._blobs_, self._ends_ = blobs, ends
        self._blobs, self._ends = blobs.data, ends.data
        self._decoder = decoder
        self._kept: dict[str, R] = {}
