"""The rules for what comes in, of whole tables: what is wrong with the rows of a dataset.

The rules themselves are those of `models.domain.input`, which every way in goes by.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import polars as pl

from models.clock_time import LATEST
from models.domain.channels import CHANNELS
from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES, OWN_TYPES, EventType
from models.domain.identifiers import NAMESPACES
from models.domain.input.names import name_fault
from models.domain.input.nobody import BUILT_IN, Nobody
from training.log.catalogue_rules import item_columns, offer_columns
from training.log.event_rules import (
    asserted_columns,
    attributes_reasons,
    event_columns,
    identifier_columns,
)
from training.log.rule_columns import Finding, found, text_reasons


@dataclass(frozen=True)
class Declared:
    """The names that a table may use, what means nobody, and the present (microseconds)."""

    channels: frozenset[str]
    event_types: Mapping[str, EventType]
    namespaces: frozenset[str]
    nobody: Nobody = BUILT_IN
    now: int = LATEST


def declared(
    channels: Iterable[str],
    event_types: Mapping[str, str],
    namespaces: Iterable[str],
    nobody: Nobody = BUILT_IN,
    now: int = LATEST,
) -> Declared:
    """Return the built-in names, and those that a mapping or a dataset adds to them."""
    types = {name: like for name, like in EVENT_TYPES.items() if name not in OWN_TYPES}
    types |= {name: EVENT_TYPES[like] for name, like in event_types.items() if like in EVENT_TYPES}
    return Declared(
        channels=frozenset((*CHANNELS, *channels)),
        event_types=types,
        namespaces=frozenset((*NAMESPACES, *namespaces)),
        nobody=nobody,
        now=now,
    )


def dataset_findings(table: str, frame: pl.DataFrame, metadata: Metadata) -> Iterator[Finding]:
    """Yield what is wrong with a table of a dataset, column by column.

    A dataset of keyed identifiers is what a store has kept already: of that only the types of its
    events have to be known.
    """
    names = declared(metadata.channels, metadata.event_types, metadata.namespaces)
    if metadata.identifiers == "plain":
        yield from findings(table, frame, names)
    elif table == "events":
        types = names.event_types.keys() | OWN_TYPES
        told = text_reasons(frame["type"], lambda name: name_fault(name, types))
        yield from found(iter([("type", told)]))


def findings(table: str, frame: pl.DataFrame, names: Declared) -> Iterator[Finding]:
    """Yield what is wrong with the rows of a table, column by column; null is not asked about."""
    who = identifier_columns(frame, names.namespaces, names.nobody)
    match table:
        case "events":
            events = event_columns(frame, names.channels, names.event_types, names.now)
            yield from found(chain(who, events))
        case "customers":
            yield from found(chain(who, [("attributes", attributes_reasons(frame["attributes"]))]))
        case "links" | "unlinks":
            yield from found(chain(who, asserted_columns(frame)))
        case "items":
            yield from found(item_columns(frame))
        case "offers":
            yield from found(offer_columns(frame, names.channels))
