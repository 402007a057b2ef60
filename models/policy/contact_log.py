"""The ledger: which of the remembered contacts count, read once for all caps of a decision.

A contact is a message that was `sent`, or off outbound channels an `impression`; however many
offers came with one decision, it is one message. A message that is only `reserved` counts as one
until it is delivered, or until the reservation lapses. Entries without a decision are a message
each. Entries without a time count nowhere: nobody knows in which window they would be.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from models.clock_time import MINUTE
from models.domain.entry import Entry
from models.domain.event_types import RESERVED, SENT
from models.domain.names import DEFAULT_PREFIX
from models.policy.schema import Contact

IMPRESSION = "impression"


class LoggedContact(NamedTuple):
    """One contact: `at` is when it was delivered, or when it was reserved.

    Lines of the same `message` are one contact. `offer` is "" for the message as a whole.
    """

    message: int
    channel: str
    offer: str
    at: int


class ContactLog(NamedTuple):
    """What counts: by message for caps per person, by offer for the others.

    `pending` are the reservations that are neither delivered nor lapsed.
    """

    messages: list[LoggedContact]
    offers: list[LoggedContact]
    pending_messages: list[LoggedContact]
    pending_offers: list[LoggedContact]


def contact_log_of(
    entries: Iterable[Entry], like: Callable[[str], str], contact: Contact, now: int
) -> ContactLog:
    """Return what counts among the contacts of a customer at `now` (microseconds).

    A `sent` delivers its whole message, an impression its offer; the latest delivery of a message
    says when it was. `like` tells the built-in type that a type behaves like.
    """
    sent: list[LoggedContact] = []
    seen: list[LoggedContact] = []
    reserved: list[LoggedContact] = []
    outbound = contact.outbound
    for number, entry in enumerate(entries, 1):
        if entry.rank != 1:
            continue
        type_ = like(entry.type)
        if type_ == SENT:
            lines = sent
        elif type_ == RESERVED:
            lines = reserved
        elif type_ == IMPRESSION and entry.channel not in outbound:
            lines = seen
        else:
            continue
        offer = entry.offer or offer_of(entry)
        lines.append(LoggedContact(entry.decision or -number, entry.channel, offer, entry.at))
    ledger = ContactLog(sent + seen, [line for line in sent + seen if line.offer], [], [])
    if reserved:
        _reserve(ledger, sent, seen, reserved, now - reservation_length(contact))
    return ledger


def _reserve(
    ledger: ContactLog,
    sent: list[LoggedContact],
    seen: list[LoggedContact],
    reserved: list[LoggedContact],
    lapsed: int,
) -> None:
    """Add reservations to `ledger`: as delivered, or as pending if made after `lapsed`."""
    ours = {line.message for line in reserved}
    told: dict[tuple[int, str], int] = {}  # offer "" where all of the message was delivered
    for lines, whole in ((sent, True), (seen, False)):
        for line in lines:
            if line.message in ours:
                key = (line.message, "" if whole else line.offer)
                told[key] = max(line.at, told.get(key, line.at))
    delivered = {message for message, _ in told}
    for line in reserved:
        message, channel, offer, at = line
        pending = at > lapsed
        if pending and message not in delivered:
            ledger.pending_messages.append(LoggedContact(message, channel, "", at))
        if not offer:
            continue
        times = [told[key] for key in ((message, ""), (message, offer)) if key in told]
        if times:
            ledger.offers.append(LoggedContact(message, channel, offer, max(times)))
        elif pending:
            ledger.pending_offers.append(line)


def reservation_length(contact: Contact) -> int:
    """Return how long a reservation counts that nothing confirms, in microseconds."""
    return round(contact.reserve_minutes * MINUTE)


def line_of(entry: Entry) -> LoggedContact:
    """Return a contact as it is counted, whatever its type."""
    return LoggedContact(entry.decision, entry.channel, offer_of(entry), entry.at)


def offer_of(entry: Entry) -> str:
    """Return the offer that an entry is about: the item's default one where it names none."""
    if entry.offer:
        return entry.offer
    return DEFAULT_PREFIX + entry.item if entry.item else ""
