"""Offers ranked against redemptions: the baselines know what is past, and leads are paired."""

from pathlib import Path

import pytest

from models.clock_time import DAY
from models.domain.catalogue import Item, Offer
from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from tests.support.small_release import small_release, small_rows
from training.evaluation.incumbent import MODEL
from training.evaluation.redemptions import BEFORE, CHANCE, SO_FAR, measure_redemptions
from training.log.event_log import Customer, Log

OFFERS = [row for row in small_rows() if isinstance(row, Offer)]
WINDOW = (10 * DAY, 20 * DAY)


def log_of(*redeemed: tuple[int, str]) -> Log:
    """Return a log where each of `redeemed`, a day and an offer, is of another customer."""
    customers = []
    for at, (day, offer) in enumerate(redeemed):
        who = at.to_bytes(16, "big")
        event = Event(
            event_id=str(at),
            identifier=who,
            type="redeem",
            channel="store",
            time=day * DAY,
            offer=offer,
        )
        customers.append(Customer((who,), (event,)))
    return Log(
        metadata=Metadata(kind="timed", source="test"),
        customers=tuple(customers),
        items={row.id: row for row in small_rows() if isinstance(row, Item)},
        offers=tuple(OFFERS),
        event_types=EVENT_TYPES,
        customer_of={customer.identifiers[0]: at for at, customer in enumerate(customers)},
    )


def test_what_was_redeemed_so_far_is_known_and_nothing_later(tmp_path: Path) -> None:
    """Popularity so far sees redemptions up to the moment, the other those before the window."""
    chosen, other = OFFERS[0].id, OFFERS[1].id
    log = log_of((1, other), *((day, chosen) for day in (11, 11, 15, 16, 17)), (30, other))
    release = small_release(tmp_path, ranked=True)
    found = {one.ranker: one for one in measure_redemptions({MODEL: release}, log, WINDOW, seed=1)}
    assert list(found) == [MODEL, BEFORE, SO_FAR, CHANCE]
    assert {one.n for one in found.values()} == {5}
    assert found[SO_FAR].metrics["recall@1"].value == pytest.approx(3 / 5)
    assert found[BEFORE].metrics["recall@1"].value == 0


def test_leads_over_itself_are_nothing(tmp_path: Path) -> None:
    """The same release under another name is led by exactly nothing; the first leads nobody."""
    log = log_of(*((day, OFFERS[day % 3].id) for day in range(9, 25)))
    release = small_release(tmp_path, ranked=True)
    first, second, *_ = measure_redemptions({MODEL: release, "twin": release}, log, WINDOW, 1)
    assert not first.lead
    assert second.metrics == first.metrics
    assert {tuple(lead) for lead in second.lead.values()} == {(0.0, 0.0, 0.0)}
