"""From the contract's events to the events that are stored, and what is wrong with them."""

from typing import NamedTuple

import grpc
from throughline.v1 import event_pb2 as pb

from models.domain.events import Event
from models.domain.identifiers import Identifier, hash_identifier
from models.domain.input.events import (
    attributes_faults,
    discount_fault,
    together_faults,
)
from models.domain.input.numbers import quantity_fault
from models.domain.input.reasons import Refusal
from models.domain.input.times import event_time_fault, live_fault
from service.contract import limits
from service.contract.names import Names
from service.contract.status import code_number
from service.contract.validation import Check

INVALID_ARGUMENT = code_number(grpc.StatusCode.INVALID_ARGUMENT)
_TOGETHER = {"of_event": "of_event_id", "attributes": "attributes"}
OUT_OF_RANGE = code_number(grpc.StatusCode.OUT_OF_RANGE)


class RefusedEvent(NamedTuple):
    """An event that is not stored: its code and `<field>: <reason>`."""

    code: int
    detail: str


def read_event(message: pb.Event, names: Names, key: bytes, now: int) -> Event | RefusedEvent:
    """Read one event that arrives `now` (microseconds); its identifier is hashed under `key`."""
    check = Check()
    check.id("event_id", message.event_id)
    identifier = Identifier("", "")
    if message.HasField("identifier"):
        identifier = check.identifier("identifier", message.identifier, names)
    else:
        check.add_violation("identifier", Refusal.REQUIRED)
    check.name("type", message.type, names.sendable_types)
    check.name("channel", message.channel, names.channels)
    time = None
    if message.HasField("time"):
        time = check.time("time", message.time, event_time_fault)
    else:
        check.add_violation("time", Refusal.REQUIRED)
    check.id("item_id", message.item_id, required=False)
    check.id("offer_id", message.offer_id, required=False)
    check.name("placement", message.placement, names.placements, required=False)
    check.text("place", message.place, limits.PLACE_BYTES)
    check.fault("quantity", quantity_fault(message.quantity))
    amount = check.money("amount", message.amount) if message.HasField("amount") else None
    check.id("decision_id", message.decision_id, required=False)
    check.id("of_event_id", message.of_event_id, required=False)
    check.faults("attributes", attributes_faults(message.attributes))
    for fault in together_faults(
        names.event_types.get(message.type),
        bool(message.of_event_id),
        bool(message.item_id or message.offer_id),
        bool(message.attributes),
    ):
        check.add_violation(_TOGETHER[fault.at], fault.reason)
    check.id("receipt_id", message.receipt_id, required=False)
    discount = check.money("discount", message.discount) if message.HasField("discount") else None
    if discount:
        check.fault(
            "discount", discount_fault(discount.currency, amount.currency if amount else None)
        )
    if check.violations or time is None:
        return RefusedEvent(INVALID_ARGUMENT, str(check.violations[0]))
    if late := live_fault(time, now):
        return RefusedEvent(OUT_OF_RANGE, f"time: {late}")
    return Event(
        event_id=message.event_id,
        identifier=hash_identifier(key, identifier),
        type=message.type,
        channel=message.channel,
        time=time,
        item=message.item_id,
        offer=message.offer_id,
        placement=message.placement,
        place=message.place,
        quantity=message.quantity,
        amount_units=amount.units if amount else 0,
        amount_nanos=amount.nanos if amount else 0,
        currency=amount.currency if amount else "",
        decision_id=message.decision_id,
        attributes=dict(sorted(message.attributes.items())),
        of_event=message.of_event_id,
        receipt=message.receipt_id,
        discount_units=discount.units if discount else 0,
        discount_nanos=discount.nanos if discount else 0,
    )
