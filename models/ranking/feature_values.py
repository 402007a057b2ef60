"""The value that each offer has of a feature, as rules of diversity look at it."""

from collections.abc import Sequence

from models.domain.catalogue import Row


class FeatureValues:
    """Answers for all offers of one catalogue; what it was asked before is kept."""

    def __init__(self, entries: Sequence[Row | None]) -> None:
        """Look at the `entries` (rows,) of the catalogue."""
        self._entries = entries
        self._kept: dict[str, dict[int, str]] = {}  # by feature, then row

    def over(self, entries: Sequence[Row | None]) -> "FeatureValues":
        """Return the same over later entries that have the same features."""
        later = FeatureValues(entries)
        later._kept = self._kept
        return later

    def first(self, row: int, feature: str) -> str:
        """Return the first value that the offer, or item, in `row` has of a feature; "" without."""
        kept = self._kept.setdefault(feature, {})
        value = kept.get(row)
        if value is None:
            entry = self._entries[row]
            values = () if entry is None else entry.features.get(feature, ())
            value = kept[row] = next(iter(values), "")
        return value
