"""From the contract's events to the events that are stored, and what is wrong with them."""

from collections.abc import Mapping
from typing import NamedTuple

import grpc
from throughline.v1 import event_pb2 as pb

from models.domain.event_types import ATTRIBUTE, RETURNED, EventType
from models.domain.events import Event
from models.domain.identifiers import Identifier, hash_identifier
from service.contract import limits
from service.contract.names import Names
from service.contract.refusals import Refusal
from service.contract.status import code_number
from service.contract.validation import Check

SECOND = 1_000_000
MAX_AHEAD = limits.AHEAD_MINUTES * 60 * SECOND
MAX_BEHIND = limits.BEHIND_DAYS * 86_400 * SECOND

INVALID_ARGUMENT = code_number(grpc.StatusCode.INVALID_ARGUMENT)
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
        identifier = check.identifier("identifier", message.identifier, names.namespaces)
    else:
        check.add_violation("identifier", Refusal.REQUIRED)
    check.name("type", message.type, names.sendable_types)
    check.name("channel", message.channel, names.channels)
    time = None
    if message.HasField("time"):
        time = check.time("time", message.time)
    else:
        check.add_violation("time", Refusal.REQUIRED)
    check.id("item_id", message.item_id, required=False)
    check.id("offer_id", message.offer_id, required=False)
    check.name("placement", message.placement, names.placements, required=False)
    check.text("place", message.place, limits.PLACE_BYTES)
    check.number("quantity", message.quantity, limits.QUANTITY)
    amount = check.money("amount", message.amount) if message.HasField("amount") else None
    check.id("decision_id", message.decision_id, required=False)
    _check_attributes(check, message, names.event_types)
    _check_return(check, message, names.event_types)
    check.id("receipt_id", message.receipt_id, required=False)
    discount = check.money("discount", message.discount) if message.HasField("discount") else None
    if discount and (amount is None or discount.currency != amount.currency):
        check.add_violation("discount", Refusal.ONLY_WITH_AN_AMOUNT)
    if check.violations or time is None:
        return RefusedEvent(INVALID_ARGUMENT, str(check.violations[0]))
    if time > now + MAX_AHEAD:
        return RefusedEvent(
            OUT_OF_RANGE, f"time: {Refusal.IN_THE_FUTURE}; max skew {MAX_AHEAD // SECOND} s"
        )
    if time < now - MAX_BEHIND:
        return RefusedEvent(OUT_OF_RANGE, f"time: {Refusal.TOO_OLD}; use throughline load")
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


def _check_return(check: Check, message: pb.Event, event_types: Mapping[str, EventType]) -> None:
    like = event_types.get(message.type)
    takes_back = like is not None and like.lane == RETURNED
    check.id("of_event_id", message.of_event_id, required=False)
    if message.of_event_id and not takes_back:
        check.add_violation("of_event_id", Refusal.ONLY_WITH_RETURN)
    if takes_back and not (message.of_event_id or message.item_id or message.offer_id):
        check.add_violation("of_event_id", Refusal.REQUIRED)


def _check_attributes(
    check: Check, message: pb.Event, event_types: Mapping[str, EventType]
) -> None:
    like = event_types.get(message.type)
    changes = like is not None and like.lane == ATTRIBUTE
    if not changes:
        if message.attributes:
            check.add_violation("attributes", Refusal.ONLY_WITH_ATTRIBUTES_CHANGED)
        return
    if not check.size("attributes", message.attributes, limits.ATTRIBUTES, minimum=1):
        return
    for name, value in message.attributes.items():
        check.text("attributes.key", name, limits.ATTRIBUTE_NAME_BYTES, required=True)
        check.text("attributes.value", value, limits.ATTRIBUTE_VALUE_BYTES)
