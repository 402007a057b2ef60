"""What a group of features is: features declared beside the function that computes them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from models.numeric.array_types import Floats, Rows
from models.recommender.item_history import ItemHistory
from models.recommender.neighbours import NeighbourSums


class Feature(NamedTuple):
    """One feature: its name, what it means, and whether the score may only rise (1) with it."""

    name: str
    meaning: str
    monotone: int = 0

    @property
    def column(self) -> str:
        """Return the name as the trees know it, which may hold neither space nor comma."""
        return self.name.replace(" ", "_").replace(",", "")


class MatchFeatures(NamedTuple):
    """How each of the n items fits the customer by other means than the history of items, (n,).

    `embedding` is stage one's score, `popularity` that of the segments of the moment.
    """

    embedding: Floats
    popularity: Floats


class FeatureInputs(NamedTuple):
    """What features are computed from: one customer, and the `rows` (n,) of the items described.

    `neighbours` are what the tables lead to from the `history`; `greatest` (tables,) are the
    greatest sums among the candidates, which `rows` need not be. `item_features` (items,
    ITEM_FEATURES) are of every item of the release.
    """

    rows: Rows
    history: ItemHistory
    neighbours: NeighbourSums
    greatest: Floats
    matches: MatchFeatures
    item_features: Floats


class FeatureGroup(NamedTuple):
    """Features that are computed together; with `by_table` once for each table of the release.

    `fill` writes every value of the group's columns, (features, n), which stand in the order of
    `declared`, those of the first table before those of the second.
    """

    declared: tuple[Feature, ...]
    fill: Callable[[Floats, FeatureInputs], None]
    by_table: bool = False

    def features(self, tables: Sequence[str]) -> tuple[Feature, ...]:
        """Return the features of the group over item-to-item tables of these names."""
        if not self.by_table:
            return self.declared
        return tuple(
            Feature(f"{table} {one.name}", f"{table}: {one.meaning}", one.monotone)
            for table in tables
            for one in self.declared
        )

    def width(self, tables: int) -> int:
        """Return how many columns the group has over so many tables."""
        return len(self.declared) * (tables if self.by_table else 1)
