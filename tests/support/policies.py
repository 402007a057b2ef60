"""Policies at random, with some of everything that decides."""

import random
from datetime import UTC, datetime
from typing import TypeVar

from models.domain.catalogue import Money
from models.domain.selectors import OfferHas, Selector
from models.policy.schema import (
    AnyOf,
    Arbitration,
    AtMost,
    AttributeIs,
    CandidateCounts,
    Cap,
    Contact,
    CoolDowns,
    Eligibility,
    Exploration,
    HappenedLately,
    Holdout,
    Lever,
    Policy,
    QuietHours,
)

T = TypeVar("T")

FEATURE = "category"  # that the offers of the tests have
VALUES = ("a", "b")

_CAPS = (
    Cap(name="weekly", limit=2, days=7.0, channels=("email", "sms")),
    Cap(name="each", limit=2, per="offer", days=1.0, channels=("app",)),
    Cap(name="loans", limit=1, per="group", calendar="month", hard=False),
    Cap(name="cheap", limit=3, days=3.0, about=Selector(features={FEATURE: ("a",)})),
)
_RULES = (
    Eligibility(name="never", about=Selector(offers=("item:item5",)), bar=True),
    Eligibility(
        name="viewers",
        about=Selector(features={FEATURE: ("b",)}),
        channels=("web", "till"),
        when=(HappenedLately(type="view", days=20.0, at_least=1),),
    ),
    Eligibility(
        name="young_or_dear",
        about=Selector(groups=("loans",)),
        when=(
            AnyOf(
                of=(
                    AttributeIs(name="segment", one_of=("young",)),
                    OfferHas(price_at_least=10.0),
                )
            ),
        ),
    ),
)
_NIGHT = QuietHours(name="night", channels=("sms", "app"), start="21:00", end="08:00")


def drawn(draw: random.Random) -> Policy:
    """Draw a policy that any server takes; all differ with the size of the search."""
    lever = Lever(
        name="push",
        owner="category",
        about=Selector(features={FEATURE: (draw.choice(VALUES),)}),
        factor=draw.choice((0.5, 2.0)),
        until=datetime(2100, 1, 1, tzinfo=UTC),
    )
    contact = Contact(
        caps=_some(draw, _CAPS),
        quiet_hours=(_NIGHT,) * draw.randint(0, 1),
        cool_downs=CoolDowns(purchase=draw.choice((0.0, 7.0)), decline=draw.choice((0.0, 30.0))),
    )
    return Policy(
        candidates=CandidateCounts(items=draw.randint(20, 400), sets=draw.randint(1, 50)),
        contact=contact,
        eligibility=_some(draw, _RULES),
        diversity=(AtMost(feature=FEATURE, limit=draw.randint(2, 9)),) * draw.randint(0, 1),
        exploration=Exploration(temperature=draw.choice((0.0, 0.0, 0.3))),
        arbitration=Arbitration(
            value=draw.random() < 0.7,
            value_unknown=draw.choice((None, Money("EUR", 2, 0))),
        ),
        holdout=Holdout(share=draw.choice((0.0, 0.1)), name="control"),
        levers=(lever,) * draw.randint(0, 1),
    )


def _some(draw: random.Random, all_of: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(one for one in all_of if draw.random() < 0.5)
