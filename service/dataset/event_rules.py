"""The rules for what comes in, of the events of a dataset: the first row that breaks one is told.

Texts are asked about once for each distinct one, and numbers only where a look at them does not
settle it.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from models.domain.input import limits
from models.domain.input.events import attributes_faults, discount_fault, together_faults
from models.domain.input.money import currency_fault
from models.domain.input.names import name_fault
from models.domain.input.numbers import number_fault, quantity_fault
from models.domain.input.reasons import told_first
from models.domain.input.texts import id_fault, text_fault
from models.domain.input.times import EARLIEST_EVENT, event_time_fault, future_fault
from models.errors import BadInput
from service.contract.names import Names
from service.dataset.parquet import Table
from service.dataset.rows import attributes_from_json

_IDS = ("event_id", "item", "offer", "decision_id", "of_event", "receipt")
_AMOUNTS = ("amount", "discount")


def check_events(table: Table, names: Names, now: int) -> None:
    """Check all rows of `events` but for who they are about, as they would be at the API.

    Raises `BadDataset` naming file, row, column and reason. `now` is the present, in microseconds.
    """
    check_types(table, names)
    _check_texts(table, "channel", lambda name: name_fault(name, names.channels))
    for name in _IDS:
        _check_texts(table, name, id_fault)
    _check_texts(table, "placement", lambda name: name_fault(name, names.placements))
    _check_texts(table, "place", lambda text: text_fault(text, limits.PLACE_BYTES))
    times, timed = table.integers("time")
    table.refuse(
        timed & ((times < EARLIEST_EVENT) | (times > now)),
        "time",
        lambda row: event_time_fault(int(times[row])) or future_fault(int(times[row]), now),
    )
    quantities, given = table.floats("quantity")
    table.refuse(
        given & ~((quantities >= 0) & (quantities <= limits.QUANTITY)),
        "quantity",
        lambda row: quantity_fault(float(quantities[row])),
    )
    _check_money(table)
    _check_together(table, names)
    check_attributes(table)


def check_types(table: Table, names: Names) -> None:
    """Check the types of events: those that callers may send."""
    _check_texts(table, "type", lambda name: name_fault(name, names.sendable_types))


def check_attributes(table: Table) -> None:
    """Check the attributes of customers in a table."""
    for row, text in table.non_null("attributes"):
        try:
            fault = told_first(attributes_faults(attributes_from_json(text)))
        except BadInput as error:
            fault = error.reason
        if fault:
            raise table.error(row, "attributes", fault)


def _check_texts(table: Table, column: str, rule: Callable[[str], str]) -> None:
    for row, value in table.first_rows(column):
        if fault := rule(value):
            raise table.error(row, column, fault)


def _check_money(table: Table) -> None:
    paid = np.zeros(len(table), np.bool_)
    for name in _AMOUNTS:
        paid |= _check_whole(table, f"{name}_units", limits.MONEY_UNITS)
        paid |= _check_whole(table, f"{name}_nanos", limits.MONEY_NANOS)
    _check_texts(table, "currency", currency_fault)
    table.refuse(paid & ~table.given("currency"), "currency", lambda row: currency_fault(""))
    reduced = table.given("discount_units") | table.given("discount_nanos")
    alone = reduced & ~(table.given("amount_units") | table.given("amount_nanos"))
    table.refuse(alone, "discount_units", lambda row: discount_fault("", None))


def _check_whole(table: Table, column: str, limit: int) -> NDArray[np.bool_]:
    """Check whole numbers from 0 to `limit`, and return which rows have one."""
    numbers, given = table.integers(column)
    bad = given & ((numbers < 0) | (numbers > limit))
    table.refuse(bad, column, lambda row: number_fault(int(numbers[row]), limit))
    return given


def _check_together(table: Table, names: Names) -> None:
    codes, types = table.distinct("type")
    said = codes * 8 + table.given("of_event") * 4 + table.given("attributes", but="{}")
    said = said + (table.given("item") | table.given("offer")) * 2
    for state, row in zip(*np.unique(said, return_index=True), strict=True):
        kind, of, about, attributes = state // 8, state & 4, state & 2, state & 1
        like = names.event_types.get(types[kind][0])
        for fault in together_faults(like, bool(of), bool(about), bool(attributes)):
            raise table.error(int(row), fault.at, fault.reason)
