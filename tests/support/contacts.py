"""Contacts for tests, short to write, and the naive count that the engine is held against."""

from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.clock_time import DAY, local
from models.domain.catalogue import Catalogue, Item, Offer
from models.domain.entry import Entry
from models.domain.event_types import CONTACT, RESERVED, SENT
from models.domain.profile import Compartment
from models.domain.rule_history import RuleHistory
from models.domain.view import View
from models.policy.caps import ContactRules
from models.policy.schema import Cap, Contact, Policy

MINUTE = 60_000_000
HOUR = 60 * MINUTE
NOW = 1_711_843_200_000_000  # 2024-03-31 00:00 UTC, the night of the change of clocks in Berlin
LANES = {"impression": CONTACT, "sent": SENT, "reserved": RESERVED}
CATALOGUE = Catalogue().apply(
    1,
    [
        Item(id="a", features={"category": ["x"]}),
        Item(id="b", features={"category": ["x", "y"]}),
        Item(id="c", features={"category": ["z"]}),
        Offer(id="loan", items=("a",), groups=("loans",)),
        Offer(id="card", items=("b",), groups=("loans",)),
        Offer(id="news", items=("c",)),
        Offer(id="bill", items=("c",), offer_class="transactional", groups=("loans",)),
        Offer(id="help", items=("c",), offer_class="service"),
    ],
)


class Touch(NamedTuple):
    """One remembered contact; `at` None: without a time."""

    type: str
    channel: str
    offer: str
    at: int | None
    decision: int = 0


def view(touches: Iterable[Touch], **attributes: str) -> View:
    """Return the view of a customer who is remembered to have had these contacts."""
    lanes: dict[str, list[Entry]] = {}
    for key, (type_, channel, offer, at, decision) in enumerate(touches):
        entry = Entry(at is not None, at or 0, key, type_, channel, "", offer, decision)
        lanes.setdefault(LANES[type_], []).append(entry)
    ordered = {lane: tuple(sorted(entries)) for lane, entries in lanes.items()}
    history = RuleHistory([Compartment(lanes=ordered, facts={})], ordered, former=False)
    return View(ordered, attributes, history)


def contacts(
    touches: Iterable[Touch], contact: Contact, now: int = NOW, **attributes: str
) -> ContactRules:
    """Return the engine over these contacts."""
    policy = Policy(contact=contact)
    return ContactRules(view(touches, **attributes), policy, now, "default", (), CATALOGUE)


def offer(offer_id: str) -> Offer:
    """Return an offer of the catalogue."""
    return CATALOGUE.offers[offer_id]


def naive_count(
    touches: list[Touch], cap: Cap, contact: Contact, now: int, channel: str, offer_id: str
) -> int:
    """Count the contacts under a cap for an offer on a channel, by looking at all pairs."""
    hard = cap.hard or channel in contact.outbound
    messages = set()
    for number, touch in enumerate(touches):
        about = touch.offer
        if touch.at is None or (cap.channels and touch.channel not in cap.channels):
            continue
        if cap.per == "offer" and about != offer_id:
            continue
        if cap.per == "group" and "loans" not in (CATALOGUE.offers[about].groups if about else ()):
            continue
        if touch.type == "reserved":
            told = [
                other.at
                for other in touches
                if other.at is not None
                and other.decision == touch.decision
                and (
                    other.type == "sent"
                    or (other.type == "impression" and other.channel not in contact.outbound)
                )
                and (cap.per == "person" or other.type == "sent" or other.offer in ("", about))
            ]
            if told and cap.per == "person":
                continue  # what confirms it is counted itself, where its channel counts
            if told:
                counts = _in_window(max(told), cap, contact, now)
            else:
                counts = hard and now < touch.at + contact.reserve_minutes * MINUTE
        elif touch.type == "impression" and touch.channel in contact.outbound:
            continue
        else:
            counts = _in_window(touch.at, cap, contact, now)
        if counts:
            messages.add(touch.decision or -number - 1)
    return len(messages)


def _in_window(at: int, cap: Cap, contact: Contact, now: int) -> bool:
    if cap.calendar is None:
        return now - at < (cap.days or 0) * DAY
    zone = ZoneInfo(contact.zone)
    return _period(at, cap, zone) >= _period(now, cap, zone)


def _period(at: int, cap: Cap, zone: ZoneInfo) -> tuple[int, ...]:
    day = local(at, zone).date()
    if cap.calendar == "month":
        return day.year, day.month
    if cap.calendar == "week":
        day -= timedelta(days=day.weekday())
    return (day.toordinal(),)
