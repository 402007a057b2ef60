"""The rules for what comes in, of the tables that tell of customers: events, links, attributes."""

from collections.abc import Iterator, Mapping
from functools import partial

import polars as pl

from models.domain.event_types import EventType
from models.domain.input import limits
from models.domain.input.events import attributes_faults, discount_fault, together_faults
from models.domain.input.identifiers import namespace_fault, value_fault
from models.domain.input.names import name_fault
from models.domain.input.nobody import Nobody
from models.domain.input.numbers import quantity_fault
from models.domain.input.texts import id_fault, text_fault
from models.domain.input.times import EARLIEST_EVENT, event_time_fault, future_fault
from training.log.money_rules import money_columns
from training.log.rule_columns import (
    json_reasons,
    no_reasons,
    number_reasons,
    row_reasons,
    text_reasons,
)

Columns = Iterator[tuple[str, pl.Series]]
_IDS = ("item", "offer", "decision_id", "of_event", "receipt")


def identifier_columns(frame: pl.DataFrame, namespaces: frozenset[str], nobody: Nobody) -> Columns:
    """Yield the reasons of the namespaces and values of all identifiers of a table."""
    for name in frame.columns:
        if not name.startswith("identifier"):
            continue
        spaces = frame[name.replace("identifier", "namespace")]
        wrong = text_reasons(spaces, lambda space: namespace_fault(space, namespaces))
        yield spaces.name, wrong
        reasons = no_reasons(frame.height)
        for space in spaces.unique().drop_nulls().to_list():
            here = frame[name].set(spaces != space, None)
            told = text_reasons(here, partial(value_fault, space, nobody=nobody))
            reasons = reasons.zip_with(reasons.is_not_null(), told)
        yield name, reasons


def event_columns(
    frame: pl.DataFrame,
    channels: frozenset[str],
    event_types: Mapping[str, EventType],
    now: int,
) -> Columns:
    """Yield the reasons of the columns of `events`, identifiers apart."""
    yield "event_id", text_reasons(frame["event_id"], id_fault, limits.ID_BYTES)
    yield "type", text_reasons(frame["type"], lambda name: name_fault(name, event_types))
    yield "channel", text_reasons(frame["channel"], lambda name: name_fault(name, channels))
    times = frame["time"].cast(pl.Int64())
    yield (
        "time",
        number_reasons(
            times, lambda at: event_time_fault(at) or future_fault(at, now), EARLIEST_EVENT, now
        ),
    )
    for name in _IDS:
        yield name, text_reasons(frame[name], id_fault, limits.ID_BYTES)
    yield "placement", text_reasons(frame["placement"], name_fault)
    yield (
        "place",
        text_reasons(
            frame["place"], lambda text: text_fault(text, limits.PLACE_BYTES), limits.PLACE_BYTES
        ),
    )
    yield "quantity", number_reasons(frame["quantity"], quantity_fault, 0, limits.QUANTITY)
    yield from money_columns(frame, ("amount", "discount"))
    yield from _together(frame, event_types)
    yield "attributes", attributes_reasons(frame["attributes"])


def attributes_reasons(values: pl.Series) -> pl.Series:
    """Return the reasons of a column of attributes."""
    return json_reasons(values, dict[str, str], attributes_faults)


def asserted_columns(frame: pl.DataFrame) -> Columns:
    """Yield the reasons of who asserts a link or an unlink."""
    yield "asserted_by", text_reasons(frame["asserted_by"], name_fault)


def _together(frame: pl.DataFrame, event_types: Mapping[str, EventType]) -> Columns:
    """Yield the reasons of what goes with some types only, or only with something else."""
    said = frame.select(
        "type",
        of=pl.col("of_event").is_not_null(),
        about=pl.any_horizontal(pl.col("item", "offer").is_not_null()),
        attributes=(pl.col("attributes") != "{}").fill_null(False),
    )
    states = said.unique()
    refused = [
        {fault.at: str(fault.reason) for fault in together_faults(event_types.get(type_), *rest)}
        for type_, *rest in states.iter_rows()
    ]
    if any(refused):
        parts = pl.DataFrame(refused, schema={"of_event": pl.String(), "attributes": pl.String()})
        parts.columns = ["\0of_event", "\0attributes"]
        states = pl.concat([states, parts], how="horizontal")
        told = said.join(states, on=said.columns, how="left", maintain_order="left")
        yield "of_event", told["\0of_event"]
        yield "attributes", told["\0attributes"]
    alone = frame["discount_units"].is_not_null() & frame["amount_units"].is_null()
    count = int(alone.sum())
    yield (
        "discount_units",
        row_reasons(alone, [""] * count, lambda _: discount_fault("", None)),
    )
