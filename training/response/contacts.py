"""Contacts: offers that customers were shown or sent, and whether they responded in time.

A response counts for the customer's latest contact with that offer before it, on any channel, if
that was at most `days` before. Contacts whose days are not over at the end of the data are left
out, since the response may still come.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from models.clock_time import DAY
from models.domain.events import Event
from models.domain.names import DEFAULT_PREFIX
from models.errors import BadDataset
from models.numeric.array_types import Floats, Rows
from models.ranking.offer_members import top_members
from training.log.event_log import Log
from training.ranking.fit_trees import RankerSettings

CONTACTS = ("impression", "sent")


class ResponseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a response is, and how the trees of the rate of response are grown.

    An event of one of `types` is a response if it comes at most `days` after the contact.
    """

    days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0
    types: tuple[str, ...] = ("click", "accept", "redeem")
    ranker: RankerSettings = RankerSettings(trees=40, leaves=7, learning_rate=0.05, least_rows=100)


class Contact(NamedTuple):
    """One offer shown or sent to one customer.

    `customer` is an index into the log's customers, `time` is in microseconds since 1970.
    """

    customer: int
    time: int
    offer: str
    channel: str
    responded: bool


def contacts_of(
    log: Log, config: ResponseConfig, window: tuple[int, int], until: int | None = None
) -> list[Contact]:
    """Return the contacts in `window` whose days are over before `until`, by customer, then time.

    Both are in microseconds since 1970; without `until` it is the end of the window. Events from
    `until` on are ignored. Raises `BadDataset` where the log does not know a type of response.
    """
    unknown = sorted(set(config.types) - log.event_types.keys())
    if unknown:
        raise BadDataset(f"responses.types: no such event type: {', '.join(unknown)}")
    start, last = window
    end = last if until is None else until
    within = round(config.days * DAY)
    contacts: list[Contact] = []
    for at, customer in enumerate(log.customers):
        latest: dict[str, int] = {}  # by offer, the index of its latest contact
        own: list[Contact] = []
        for event in customer.events:
            offer = _offer_of(event)
            if event.time is None or event.time >= end or not offer:
                continue
            if log.metadata.event_types.get(event.type, event.type) in CONTACTS:
                latest[offer] = len(own)
                own.append(Contact(at, event.time, offer, event.channel, responded=False))
            elif event.type in config.types and offer in latest:
                contact = own[latest[offer]]
                if event.time <= contact.time + within:
                    own[latest[offer]] = contact._replace(responded=True)
        contacts += [
            contact
            for contact in own
            if start <= contact.time < last and contact.time + within < end
        ]
    return contacts


def offer_items(log: Log, row_of: Mapping[str, int], weights: Floats) -> dict[str, Rows]:
    """Return the item rows of each offer, default offers included; offers without any left out.

    Of an offer over many items only the `top_members` count, by `weights` (items,), which grow with
    the popularity of an item.
    """
    rows_of = {
        offer.id: top_members(rows, weights, np.arange(len(weights)))
        for offer in log.offers
        if (rows := {row_of[item] for item in offer.items if item in row_of})
    }
    return rows_of | {DEFAULT_PREFIX + item: np.array([row]) for item, row in row_of.items()}


def _offer_of(event: Event) -> str:
    return event.offer or (DEFAULT_PREFIX + event.item if event.item else "")
