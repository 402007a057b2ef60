"""Which identifiers links join: the groups that are one customer each."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class IdentifierGroups(Generic[T]):
    """Disjoint groups of identifiers; each identifier is a group of its own until it is joined."""

    def __init__(self) -> None:
        self._parent: dict[T, T] = {}
        self._size: dict[T, int] = {}

    def root(self, identifier: T) -> T:
        """Return the identifier that stands for the group of this one."""
        while (above := self._parent.setdefault(identifier, identifier)) != identifier:
            self._parent[identifier] = identifier = self._parent[above]
        return identifier

    def joined_size(self, a: T, b: T) -> int:
        """Return how many identifiers the groups of two have together."""
        roots = {self.root(a), self.root(b)}
        return sum(self._size.get(root, 1) for root in roots)

    def join(self, a: T, b: T) -> None:
        """Make one group of those of two identifiers."""
        size, root = self.joined_size(a, b), self.root(b)
        self._parent[self.root(a)] = root
        self._size[root] = size
