"""Training examples: customers as they were at several moments, and what they turned to next.

A row is a customer just before a moment; its columns come from the fold and the features that the
service uses. A dated target is learned from the events strictly before it. Undated targets of a
customer are dealt into groups, and the row of a group sees all events but those of its items. Some
rows are cut to a short or empty history, because that is how customers begin.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.domain.event_types import ATTRIBUTE
from models.domain.events import Event
from models.domain.view import View
from models.numeric.fixed import ONE
from models.recommender.user_features import HistoryConfig, attribute_features, history_features
from training.log.event_log import Customer, Log
from training.log.order import bound_of, is_dated
from training.log.profile_builder import ProfileBuilder

SHORT_SHARE = 0.15  # of rows are cut to their latest 0 to `SHORT_LIMIT` interactions
SHORT_LIMIT = 4


@dataclass(frozen=True)
class Examples:
    """Rows in CSR form, and their targets.

    `indices` and `weights` hold the columns of row r from `starts[r]` to `starts[r + 1]`; `names`
    are the columns, of which `attribute_columns` are attributes or the constant. `positives` are
    (row, item) pairs; `others` are pairs of a row and another target of the same customer, which
    must not be drawn as a negative. `items` are the ids.
    """

    names: list[str]
    attribute_columns: frozenset[str]
    starts: NDArray[np.int64]
    indices: NDArray[np.int64]
    weights: NDArray[np.float32]
    items: list[str]
    positives: NDArray[np.int64]
    others: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Return how many rows there are."""
        return len(self.starts) - 1


def make_examples(
    log: Log,
    targets: Iterable[str],
    history: HistoryConfig,
    prefixes: int,
    seed: int,
    now: int = 0,
) -> Examples:
    """Return up to `prefixes` rows for each customer, sampled under `seed`.

    `now` (microseconds) is the moment of rows without a time.
    """
    types = frozenset(targets)
    random = np.random.default_rng([seed, 2])
    rows = _Rows(history)
    for customer in log.customers:
        known = {event.item for event in customer.events if event.item and event.type in types}
        if not known:
            continue
        for view, minute, items in _moments(log, customer, types, prefixes, random, now):
            rows.add(view, minute, items, known)
    return rows.finished()


_Moment = tuple[View, int, list[str]]


def _moments(
    log: Log,
    customer: Customer,
    types: frozenset[str],
    prefixes: int,
    random: np.random.Generator,
    now: int,
) -> Iterator[_Moment]:
    dated: dict[tuple[int, int], dict[str, None]] = {}
    undated: dict[str, None] = {}
    for event in customer.events:
        if event.item and event.type in types:
            group = dated.setdefault(bound_of(event), {}) if is_dated(event) else undated
            group[event.item] = None
    if undated:
        yield from _undated(log, customer, sorted(undated), prefixes, random, now)
    if dated:
        bounds = sorted(dated)
        chosen = np.sort(random.permutation(len(bounds))[:prefixes])
        moments = [(bounds[at], list(dated[bounds[at]])) for at in chosen]
        yield from _dated(log, customer, moments, random, now)


def _dated(
    log: Log,
    customer: Customer,
    moments: Sequence[tuple[tuple[int, int], list[str]]],
    random: np.random.Generator,
    now: int,
) -> Iterator[_Moment]:
    builder = ProfileBuilder(log)
    done = 0
    for bound, items in moments:
        upto = done
        while upto < len(customer.events) and bound_of(customer.events[upto]) < bound:
            upto += 1
        builder.add(customer.events[done:upto])
        done = upto
        minute = bound[1] if bound[0] else now
        if random.random() < SHORT_SHARE:
            before = _shortened(log, customer.events[:upto], random)
            yield ProfileBuilder(log, before).view(), minute, items
        else:
            yield builder.view(), minute, items


def _undated(
    log: Log,
    customer: Customer,
    items: list[str],
    prefixes: int,
    random: np.random.Generator,
    now: int,
) -> Iterator[_Moment]:
    events = [event for event in customer.events if not is_dated(event)]
    own: dict[str, list[Event]] = {item: [] for item in items}
    rest: list[Event] = []
    for event in events:
        own.get(event.item, rest).append(event)
    order = [items[at] for at in random.permutation(len(items))]
    base = ProfileBuilder(log, rest)
    for first in range(min(prefixes, len(order))):
        group = sorted(order[first::prefixes])
        group_items = set(group)
        if random.random() < SHORT_SHARE:
            seen = [event for event in events if event.item not in group_items]
            yield ProfileBuilder(log, _shortened(log, seen, random)).view(), now, group
        else:
            builder = base.copy(log)
            builder.add(event for item in items if item not in group_items for event in own[item])
            yield builder.view(), now, group


def _shortened(log: Log, events: Sequence[Event], random: np.random.Generator) -> list[Event]:
    """Return attributes and the latest 0 to `SHORT_LIMIT` interactions only."""
    attributes = [event for event in events if log.event_types[event.type].lane == ATTRIBUTE]
    interactions = [event for event in events if log.is_interaction(event)]
    keep = int(random.integers(SHORT_LIMIT + 1))
    return attributes + interactions[len(interactions) - min(keep, len(interactions)) :]


class _Rows:
    """Collects rows as flat arrays; millions of columns as objects would not fit."""

    def __init__(self, history: HistoryConfig) -> None:
        self._history = history
        self._names: dict[str, int] = {}
        self._described: set[str] = set()
        self._items: dict[str, int] = {}
        self._starts = array("q", [0])
        self._indices = array("q")
        self._weights = array("q")
        self._positives = array("q")
        self._others = array("q")

    def add(self, view: View, minute: int, items: list[str], known: set[str]) -> None:
        row = len(self._starts) - 1
        attributes = attribute_features(view)
        self._described.update(column.name for column in attributes)
        for column in (*history_features(view, self._history, minute), *attributes):
            self._indices.append(self._names.setdefault(column.name, len(self._names)))
            self._weights.append(column.weight)
        self._starts.append(len(self._indices))
        for pairs, members in (
            (self._positives, items),
            (self._others, sorted(known.difference(items))),
        ):
            for item in members:
                pairs.append(row)
                pairs.append(self._items.setdefault(item, len(self._items)))

    def finished(self) -> Examples:
        return Examples(
            names=list(self._names),
            attribute_columns=frozenset(self._described),
            starts=np.array(self._starts, np.int64),
            indices=np.array(self._indices, np.int64),
            weights=(np.array(self._weights, np.float64) / ONE).astype(np.float32),
            items=list(self._items),
            positives=np.array(self._positives, np.int64).reshape(-1, 2),
            others=np.array(self._others, np.int64).reshape(-1, 2),
        )
