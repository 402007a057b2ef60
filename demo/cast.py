"""Who and what the demo's story is about, chosen from the simulated retailer's data."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from models.domain.dataset import TABLES
from models.errors import BadDataset
from service.dataset.parquet import Table, Values

BROWSED = 3  # items that the anonymous visitor looks at
NAMESPACE = "loyalty"


class Cast(NamedTuple):
    """A loyalty customer with a history, what she will browse, her store, and when it begins."""

    loyalty: str
    browsed: tuple[str, ...]
    place: str
    start: datetime


def choose(dataset: Path) -> Cast:
    """Choose the customer with the most events; the same data gives the same cast.

    Raises `BadDataset` where no event came under a loyalty identifier.
    """
    events = Table(dataset, "events")
    which, identifiers = events.distinct("namespace", "identifier")
    counts = np.bincount(which, minlength=len(identifiers))
    busiest = (
        min(
            (-int(count), value, at)
            for at, ((namespace, value), count) in enumerate(zip(identifiers, counts, strict=True))
            if namespace == NAMESPACE
        )
        if any(namespace == NAMESPACE for namespace, _ in identifiers)
        else None
    )
    if busiest is None:
        raise BadDataset(f"{events.path}: no event under a {NAMESPACE} identifier")
    _, loyalty, at = busiest
    hers = events.take(np.flatnonzero(which == at))
    times, dated = events.integers("time")
    last = datetime.fromtimestamp(int(times[dated].max()) / 1e6, UTC)
    morning = last.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return Cast(loyalty, _browsed(dataset, hers), _place(hers), morning)


def _browsed(dataset: Path, hers: list[Values]) -> tuple[str, ...]:
    """Return items of the category she knows best that she has not touched yet, by id."""
    items = Table(dataset, "items").rows()
    touched = _values(hers, "item")
    category = {row[_at("items", "item")]: _category(row) for row in items}
    known = Counter(category.get(item, "") for item in touched)
    best = min(known, key=lambda name: (-known[name], name), default="")
    fresh = sorted(
        item for item, name in category.items() if name == best and item not in set(touched)
    )
    return tuple((fresh or sorted(category))[:BROWSED])


def _category(row: Values) -> str:
    features = row[_at("items", "features")]
    said = msgspec.json.decode(features, type=dict[str, str | list[str]]) if features else {}
    value = said.get("category", "")
    return value if isinstance(value, str) else "".join(value[:1])


def _place(hers: list[Values]) -> str:
    places = Counter(_values(hers, "place"))
    return min(places, key=lambda name: (-places[name], name), default="store-1")


def _values(rows: list[Values], column: str) -> list[str]:
    at = _at("events", column)
    return [row[at] for row in rows if row[at]]


def _at(table: str, column: str) -> int:
    return [entry.name for entry in TABLES[table]].index(column)
