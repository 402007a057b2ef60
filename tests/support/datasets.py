"""Small datasets for tests, written by the declarations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from models.domain.dataset import TABLES, Kind, Metadata, file_digest, write_metadata
from models.domain.identifiers import Identifier, hash_identifier
from service.dataset.parquet import TableWriter, table_path
from service.store.opening import open_store
from service.store.store import Store
from tests.support.waiting import PATIENCE

DAY = 86_400_000_000
START = 1_512_086_400_000_000  # 2017-12-01, in microseconds

KEY = bytes(range(32))

OpenStore = Callable[[], Store]


@contextmanager
def stores(prefix: str) -> Iterator[OpenStore]:
    """Yield what opens a new store at each call, at `prefix` and a number; all closed at the end.

    `prefix` is "sqlite:DIR/" or "redis://HOST:PORT/", of a server without data.
    """
    opened: list[Store] = []

    def open_new() -> Store:
        url = f"{prefix}{len(opened)}"
        opened.append(open_store(url, key=KEY, timeout=PATIENCE))
        return opened[-1]

    yield open_new
    for store in opened:
        store.close()


def write_dataset(
    directory: Path,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    kind: Kind = "timed",
    **metadata: Any,
) -> Path:
    """Write a dataset of rows given by column name; columns that are not given are null."""
    directory.mkdir(parents=True)
    for name, rows in tables.items():
        with TableWriter(directory, name) as writer:
            writer.write([tuple(row.get(column.name) for column in TABLES[name]) for row in rows])
    digests = {name: file_digest(table_path(directory, name)) for name in tables}
    rows_of = {name: len(rows) for name, rows in tables.items()}
    write_metadata(
        directory, Metadata(kind=kind, source="test", rows=rows_of, digests=digests, **metadata)
    )
    return directory


def retailer(customers: int = 12, each: int = 20) -> dict[str, list[dict[str, Any]]]:
    """Return the tables of a small retailer; customer c is loyalty:rC, and device:rC by a link.

    One customer has more events than a profile remembers the ids of.
    """
    events = []
    for customer in range(customers):
        for number in range(each * 6 if customer == 0 else each):
            events.append(
                {
                    "event_id": f"e{number}",
                    "namespace": "device" if number % 5 == 0 else "loyalty",
                    "identifier": f"r{customer}",
                    "type": ("view", "purchase", "add_to_cart", "impression")[number % 4],
                    "channel": ("web", "store", "email")[number % 3],
                    "time": START + (number * 7919 % 100) * DAY,
                    "item": f"i{number * 31 % 17}",
                    "quantity": 1.5,
                    "amount_units": 3,
                    "amount_nanos": 990_000_000,
                    "currency": "EUR",
                }
            )
    return {
        "events": events,
        "items": [
            {
                "item": f"i{number}",
                "title": f"Item {number}",
                "features": '{"brand": "b", "size": [1, "2"]}',
                "price_units": 2,
                "price_nanos": 500_000_000,
                "currency": "EUR",
                "stock": '[{"place": "s1", "quantity": 4, "as_of": "2017-12-01T00:00:00Z"}]',
            }
            for number in range(17)
        ],
        "offers": [
            {
                "offer": "coupon",
                "items": ["i1", "i2"],
                "valid_from": START,
                "valid_until": START + DAY,
                "channels": ["email"],
            }
        ],
        "customers": [
            {
                "namespace": "loyalty",
                "identifier": f"r{customer}",
                "attributes": f'{{"segment": "s{customer % 3}"}}',
            }
            for customer in range(customers)
        ],
        "links": [
            {
                "namespace_a": "loyalty",
                "identifier_a": f"r{customer}",
                "namespace_b": "device",
                "identifier_b": f"r{customer}",
                "asserted_by": "crm",
                "time": START if customer % 2 else None,
            }
            for customer in range(customers)
        ],
    }


NOW = START + 10**13  # later than all that happened there


def hashed(namespace: str, value: str) -> bytes:
    """Return the keyed hash of an identifier of the small retailer."""
    return hash_identifier(KEY, Identifier(namespace, value))


def profiles(store: Store, customers: int = 12) -> list[tuple[Any, ...]]:
    """Return what the store knows of each customer, without how often it was written."""
    found = []
    for customer in range(customers):
        for namespace in ("loyalty", "device"):
            profile = store.read([hashed(namespace, str(customer))]).profile
            found.append((profile.customer, profile.compartments, sorted(profile.links)))
    return found
