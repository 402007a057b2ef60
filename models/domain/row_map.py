"""The rows of a catalogue by id: packed ones, and beside them those that changed since.

So a change costs what changed, and rows that nobody looks at are no objects.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from models.domain.packed_rows import PackedRows
from models.domain.persistent_map import PersistentMap
from models.domain.string_table import StringTable
from models.numeric.array_file import Arrays

R = TypeVar("R")

FEW = 4_096  # rows that are left unpacked, however few there are beside them
SHARE = 2  # so are those that are less than this part of all


class RowMap(Mapping[str, R], Generic[R]):
    """Rows by id; immutable: `updated` returns the next state. In no certain order."""

    __slots__ = ("_changed", "_packed", "_size", "_type")

    def __init__(self, rows: Mapping[str, R], type_: type[R]) -> None:
        few = len(rows) <= FEW
        self._type = type_
        self._packed = PackedRows({} if few else rows, type_)
        self._changed: PersistentMap[str, R] = PersistentMap(rows if few else {})
        self._size = len(rows)

    @classmethod
    def of(cls, rows: Mapping[str, R], type_: type[R]) -> "RowMap[R]":
        """Return the same rows: itself, where they are in such a map already."""
        return rows if isinstance(rows, RowMap) else cls(rows, type_)

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], type_: type[R]) -> "RowMap[R]":
        """Return the rows whose `arrays` these are."""
        return cls._of(PackedRows.of_arrays(arrays, type_), PersistentMap(), type_)

    def arrays(self) -> Arrays:
        """Return all that the rows are made of; they must be `packed`."""
        assert not self._changed, "rows are to be packed first"
        return self._packed.arrays()

    def packed(self) -> "RowMap[R]":
        """Return the same with every row packed."""
        if not self._changed:
            return self
        return self._of(self._packed.merged(self._changed), PersistentMap(), self._type)

    @property
    def loose(self) -> bool:
        """Tell whether much of it is not packed."""
        return len(self._changed) > max(FEW, self._size // SHARE)

    def __getitem__(self, name: str) -> R:
        found = self._changed.get(name)
        return self._packed[name] if found is None else found

    def __contains__(self, name: object) -> bool:
        return name in self._changed or name in self._packed

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._every())

    def ordered_ids(self) -> Sequence[str]:
        """Return all ids in order; not to be written to."""
        if self._size == len(self._packed):
            return self._packed.ids
        return sorted(self)

    def number(self, name: str) -> int:
        """Return the place of an id that there is in the order of all; they must be `packed`."""
        assert not self._changed, "rows are to be packed first"
        found = self._packed.ids.number(name)
        assert found is not None, "an id that there is"
        return found

    def in_order_of(self, ids: StringTable) -> Iterator[R | None]:
        """Yield the row of each id, None where there is none."""
        if ids is not self._packed.ids:
            return map(self.get, ids)
        if not self._changed:
            return self._packed.in_order()
        return map(self._changed.get, ids, self._packed.in_order())

    def rows(self) -> Iterator[R]:
        """Yield all rows."""
        return (row for _, row in self._every())

    def updated(self, changes: Mapping[str, R], new: int | None = None) -> "RowMap[R]":
        """Return this map with the entries of `changes` added or replaced; `new` are added."""
        if new is None:
            new = sum(name not in self for name in changes)
        later = self._of(self._packed, self._changed.updated(changes), self._type)
        later._size = self._size + new
        # What comes at once, as at a start, is no change of what there was.
        return later.packed() if later.loose and len(changes) > self._size else later

    def changed_in(self, later: "RowMap[R]") -> list[str] | None:
        """Return the ids of `later` whose row is not the very one that it is here.

        None where `later` has been packed anew.
        """
        if self._packed is not later._packed:
            return None
        return self._changed.changed_in(later._changed)

    @classmethod
    def _of(
        cls, packed: PackedRows[R], changed: PersistentMap[str, R], type_: type[R]
    ) -> "RowMap[R]":
        found = cls.__new__(cls)
        found._packed, found._changed, found._type = packed, changed, type_
        found._size = len(packed)
        return found

    def _every(self) -> Iterator[tuple[str, R]]:
        changed = self._changed
        for name, row in zip(self._packed.ids, self._packed.in_order(), strict=True):
            if name not in changed:
                yield name, row
        yield from changed.items()
