"""A mapping whose next state shares all but what changed with the one before, which stays as it is.

Keys lie in chunks by their hash, about as many chunks as keys in one: a change copies the chunks
that it touches, so that it costs some hundred keys where there are 100,000.
"""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")


class PersistentMap(Mapping[K, V]):
    """An immutable mapping; `updated` returns the next one. In no certain order."""

    __slots__ = ("_chunks", "_mask", "_size")

    def __init__(self, entries: Mapping[K, V] | None = None) -> None:
        self._fill({} if entries is None else entries)

    @classmethod
    def of(cls, entries: Mapping[K, V]) -> "PersistentMap[K, V]":
        """Return the same entries: itself, where they are in such a map already."""
        return entries if isinstance(entries, PersistentMap) else cls(entries)

    def __getitem__(self, key: K) -> V:
        return self._chunks[hash(key) & self._mask][key]

    @overload
    def get(self, key: K, /) -> V | None: ...

    @overload
    def get(self, key: K, /, default: V | D) -> V | D: ...

    def get(self, key: K, /, default: V | D | None = None) -> V | D | None:
        """Return the value of a key, or `default` where there is none."""
        return self._chunks[hash(key) & self._mask].get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._chunks[hash(key) & self._mask]

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._chunks)

    def __len__(self) -> int:
        return self._size

    def updated(self, changes: Mapping[K, V]) -> "PersistentMap[K, V]":
        """Return this map with the entries of `changes` added or replaced."""
        if len(changes) > self._size // 2:
            return PersistentMap({**dict(self.items()), **changes})
        chunks, mask = list(self._chunks), self._mask
        copied: set[int] = set()
        for key, value in changes.items():
            at = hash(key) & mask
            if at not in copied:
                copied.add(at)
                chunks[at] = dict(chunks[at])
            chunks[at][key] = value
        size = self._size + sum(len(chunks[at]) - len(self._chunks[at]) for at in copied)
        if size > 4 * (mask + 1) ** 2:
            return PersistentMap(dict(chain.from_iterable(chunk.items() for chunk in chunks)))
        later: PersistentMap[K, V] = PersistentMap.__new__(PersistentMap)
        later._chunks, later._mask, later._size = chunks, mask, size
        return later

    def changed_in(self, later: "PersistentMap[K, V]") -> list[K]:
        """Return the keys of `later` whose value is not the very one that it is here."""
        if self._mask != later._mask:
            return [key for key, value in later.items() if self.get(key) is not value]
        return [
            key
            for here, there in zip(self._chunks, later._chunks, strict=True)
            if here is not there
            for key, value in there.items()
            if here.get(key) is not value
        ]

    def _fill(self, entries: Mapping[K, V]) -> None:
        count = _chunk_count(len(entries))
        chunks: list[dict[K, V]] = [{} for _ in range(count)]
        mask = count - 1
        for key, value in entries.items():
            chunks[hash(key) & mask][key] = value
        self._chunks, self._mask, self._size = chunks, mask, len(entries)


def _chunk_count(size: int) -> int:
    """Return a power of two, about the root of `size`."""
    return 1 << (max(size, 1).bit_length() // 2)
