"""Contacts: what customers were shown or sent, and whether they responded to it in time.

A response counts for the customer's latest contact with that offer before it, on whatever channel,
where that was at most so many days ago. Whose days are not over at the end is left out: nobody
knows yet.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from models.clock_time import DAY
from models.domain.catalogue import DEFAULT_PREFIX
from models.domain.events import Event
from models.errors import BadDataset
from models.numeric.array_types import Floats, Rows
from models.ranking.offer_index import top_members
from training.log.event_log import Log
from training.ranking.fit_trees import RankerSettings

CONTACTS = ("impression", "sent")


class ResponseConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a response to a contact is, and how the trees are grown that correct the second stage.

    An event of one of `types` is one where it comes at most `days` after the contact.
    """

    days: Annotated[float, msgspec.Meta(gt=0, le=366)] = 7.0
    types: tuple[str, ...] = ("click", "accept", "redeem")
    ranker: RankerSettings = RankerSettings(trees=40, leaves=7, learning_rate=0.05, least_rows=100)


class Contact(NamedTuple):
    """One offer shown or sent to one customer, a place in the log's customers, at `time`."""

    customer: int
    time: int
    offer: str
    channel: str
    responded: bool


def contacts_of(
    log: Log, config: ResponseConfig, window: tuple[int, int], until: int | None = None
) -> list[Contact]:
    """Return the contacts in `window` (microseconds) whose days are over before `until`.

    By customer, then time. Nothing from `until` on, the end of the window unless given, is looked
    at. Raises `BadDataset` where the log does not know a type of response.
    """
    unknown = sorted(set(config.types) - log.lanes.keys())
    if unknown:
        raise BadDataset(f"responses.types: no such event type: {', '.join(unknown)}")
    start, last = window
    end = last if until is None else until
    within = round(config.days * DAY)
    found: list[Contact] = []
    for at, customer in enumerate(log.customers):
        latest: dict[str, int] = {}  # the place of an offer's latest contact
        here: list[Contact] = []
        for event in customer.events:
            offer = _offer_of(event)
            if event.time is None or event.time >= end or not offer:
                continue
            if log.metadata.event_types.get(event.type, event.type) in CONTACTS:
                latest[offer] = len(here)
                here.append(Contact(at, event.time, offer, event.channel, responded=False))
            elif event.type in config.types and offer in latest:
                contact = here[latest[offer]]
                if event.time <= contact.time + within:
                    here[latest[offer]] = contact._replace(responded=True)
        found += [one for one in here if start <= one.time < last and one.time + within < end]
    return found


def offer_items(log: Log, row_of: Mapping[str, int], weights: Floats) -> dict[str, Rows]:
    """Return the item rows that each offer is judged by, default offers too; of those with any.

    `weights` (items,) grow with the popularity of an item.
    """
    found = {
        offer.id: top_members(rows, weights)
        for offer in log.offers
        if (rows := {row_of[item] for item in offer.items if item in row_of})
    }
    return found | {DEFAULT_PREFIX + item: np.array([row]) for item, row in row_of.items()}


def _offer_of(event: Event) -> str:
    return event.offer or (DEFAULT_PREFIX + event.item if event.item else "")
