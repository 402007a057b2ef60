"""The log of a dataset: its customers, each with their events in canonical order.

Customers are the connected components of identifiers under the dataset's links. Items and offers
come as rows of a catalogue, so that training sees what serving sees.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import polars as pl

from models.domain.catalogue import Item, Offer
from models.domain.dataset import Metadata
from models.domain.event_types import ATTRIBUTE, CONTACT_LANES, EVENT_TYPES, RETURNED, EventType
from models.domain.events import Event, attributes_event, stamp_of
from models.domain.identifiers import HASH_BYTES
from models.errors import BadDataset
from training.log.dataset import read_dataset
from training.log.returned import without_returned

TABLES = ("events", "items", "offers", "customers", "links")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Customer:
    """One customer: identifiers and events, attribute rows among them, in canonical order.

    What was wholly returned is not among them, nor are returns.
    """

    identifiers: tuple[bytes, ...]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Log:
    """All customers by their first identifier, with items, offers and what types mean.

    `event_types` maps each known type to the built-in one that it is like; `customer_of` an
    identifier to the place of its customer in `customers`.
    """

    metadata: Metadata
    customers: tuple[Customer, ...]
    items: Mapping[str, Item]
    offers: tuple[Offer, ...]
    event_types: Mapping[str, EventType]
    customer_of: Mapping[bytes, int]

    def is_interaction(self, event: Event) -> bool:
        """Tell whether `event` is something the customer did, not a contact or an attribute."""
        return self.event_types[event.type].lane not in (ATTRIBUTE, RETURNED, *CONTACT_LANES)


def read_log(directory: Path) -> Log:
    """Read a dataset, its digests verified; raises `BadDataset` with file and reason."""
    dataset = read_dataset(directory, TABLES)
    metadata = dataset.metadata
    event_types = dict(EVENT_TYPES)
    for name, like in metadata.event_types.items():
        if like not in EVENT_TYPES:
            raise BadDataset(f"{directory}: event type {name}: {like} is not a built-in type")
        event_types[name] = EVENT_TYPES[like]
    keyed = metadata.identifiers == "keyed"
    events = _events(dataset.events, keyed)
    events.extend(_attributes(dataset.tables.get("customers"), keyed))
    links = _links(dataset.tables.get("links"), keyed)
    customers, customer_of = _customers(events, links, event_types)
    return Log(
        metadata=metadata,
        customers=customers,
        items=_items(dataset.items, customers),
        offers=_offers(dataset.tables.get("offers")),
        event_types=event_types,
        customer_of=customer_of,
    )


def identifier_bytes(namespace: str, value: str, keyed: bool) -> bytes:
    """Return the bytes that stand for an identifier while training.

    A keyed dataset already holds keyed hashes, in hex; a plain one never leaves this process, so
    that a hash without a key will do. Raises `BadDataset` where a keyed value is not hex.
    """
    if keyed:
        try:
            return bytes.fromhex(value)
        except ValueError:
            raise BadDataset(f"identifier {value!r}: want a keyed hash in hex") from None
    return sha256(f"{len(namespace)}:{namespace}{value}".encode()).digest()[:HASH_BYTES]


def microseconds(moment: datetime) -> int:
    """Return a moment as microseconds since 1970."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def _events(frame: pl.DataFrame, keyed: bool) -> list[Event]:
    shared: dict[str, str] = {}
    identifiers: dict[tuple[str, str], bytes] = {}
    result = []
    columns = (
        *("event_id", "namespace", "identifier", "type", "channel", "sequence", "item", "offer"),
        *("place", "attributes", "quantity", "of_event"),
    )
    times = frame["time"].dt.epoch("us").to_list()
    for time, row in zip(times, frame.select(columns).iter_rows(), strict=True):
        event_id, namespace, value, kind, channel, sequence, item, offer, *others = row
        place, text, quantity, of_event = others
        name = (namespace, value)
        identifier = identifiers.get(name)
        if identifier is None:
            identifier = identifiers[name] = identifier_bytes(namespace, value, keyed)
        result.append(
            Event(
                event_id=event_id,
                identifier=identifier,
                type=shared.setdefault(kind, kind),
                channel=shared.setdefault(channel, channel),
                time=time,
                sequence=sequence,
                item=shared.setdefault(item, item) if item else "",
                offer=shared.setdefault(offer, offer) if offer else "",
                place=shared.setdefault(place, place) if place else "",
                quantity=quantity or 0.0,
                attributes=msgspec.json.decode(text, type=dict[str, str]) if text else {},
                of_event=of_event or "",
            )
        )
    return result


def _attributes(frame: pl.DataFrame | None, keyed: bool) -> Iterable[Event]:
    if frame is None:
        return
    for namespace, value, attributes in frame.select(
        "namespace", "identifier", "attributes"
    ).iter_rows():
        yield attributes_event(
            identifier_bytes(namespace, value, keyed),
            msgspec.json.decode(attributes, type=dict[str, str]),
        )


def _links(frame: pl.DataFrame | None, keyed: bool) -> list[tuple[bytes, bytes]]:
    if frame is None:
        return []
    columns = ("namespace_a", "identifier_a", "namespace_b", "identifier_b")
    return [
        (identifier_bytes(name_a, a, keyed), identifier_bytes(name_b, b, keyed))
        for name_a, a, name_b, b in frame.select(columns).iter_rows()
    ]


def _customers(
    events: list[Event],
    links: list[tuple[bytes, bytes]],
    event_types: Mapping[str, EventType],
) -> tuple[tuple[Customer, ...], dict[bytes, int]]:
    """Join identifiers by union-find; the smallest identifier of a component is its root."""
    parent: dict[bytes, bytes] = {}

    def root(identifier: bytes) -> bytes:
        while (above := parent.setdefault(identifier, identifier)) != identifier:
            parent[identifier] = identifier = parent[above]
        return identifier

    for a, b in links:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    for event in events:
        parent.setdefault(event.identifier, event.identifier)
    members: dict[bytes, list[bytes]] = {}
    for identifier in sorted(parent):
        members.setdefault(root(identifier), []).append(identifier)
    customer_of = {
        identifier: at for at, first in enumerate(members) for identifier in members[first]
    }
    events_of: list[list[Event]] = [[] for _ in members]
    for event in events:
        events_of[customer_of[event.identifier]].append(event)
    return tuple(
        Customer(
            tuple(identifiers),
            without_returned(_counted_once(events_of[at]), event_types),
        )
        for at, identifiers in enumerate(members.values())
    ), customer_of


def _counted_once(events: list[Event]) -> list[Event]:
    """Return a customer's events in canonical order, of each id the first, as serving counts it."""
    events.sort(key=stamp_of)
    if len({one.event_id for one in events}) == len(events):
        return events
    first: dict[str, Event] = {}
    for one in events:
        first.setdefault(one.event_id, one)
    return list(first.values())


def _items(frame: pl.DataFrame, customers: tuple[Customer, ...]) -> dict[str, Item]:
    """Return all items of the table, and those that only events name, by id."""
    result = {
        name: Item(id=name, features=_features("items", row, features))
        for row, (name, features) in enumerate(frame.select("item", "features").iter_rows(), 1)
    }
    for customer in customers:
        for event in customer.events:
            if event.item and event.item not in result:
                result[event.item] = Item(id=event.item)
    return {name: result[name] for name in sorted(result)}


def _offers(frame: pl.DataFrame | None) -> tuple[Offer, ...]:
    if frame is None:
        return ()
    columns = ("offer", "items", "features", "valid_from", "valid_until")
    numbered = frame.with_row_index("row", 1).sort("offer")
    return tuple(
        Offer(
            id=name,
            items=tuple(items),
            features=_features("offers", row, features),
            valid_from=None if start is None else microseconds(start),
            valid_until=None if end is None else microseconds(end),
        )
        for row, name, items, features, start, end in numbered.select("row", *columns).iter_rows()
    )


def _features(table: str, row: int, text: str | None) -> dict[str, list[str]]:
    if not text:
        return {}
    try:
        features = msgspec.json.decode(text, type=dict[str, str | list[str]])
    except msgspec.MsgspecError as error:
        raise BadDataset(f"{table}.parquet: row {row}: column features: {error}") from None
    return {name: [value] if isinstance(value, str) else value for name, value in features.items()}
