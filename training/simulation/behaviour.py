"""What the customers of the simulated retailer do: visits, baskets, contacts and responses.

A visit has a focus: most of it stays in one category. What was bought is bought again. Contacts are
random among the offers in force, so that responses tell of taste and not of who was chosen. Nobody
turns to an item before it is on sale.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from training.simulation.retailer import (
    Floats,
    Goods,
    Person,
    Promotion,
    Setting,
    affinity,
    identifier_on,
    response_rate,
)

FOCUS = 0.65  # share of a visit that stays in the category of its first item
HABIT = 0.35  # share of a till basket that was bought before
LOOKS = ("web", "app", "kiosk")  # channels with pages
PLACEMENTS = {
    "web": "home_hero",
    "app": "home_hero",
    "kiosk": "start_screen",
    "till": "receipt",
    "call_center": "agent_screen",
    "email": "weekly_mail",
}


@dataclass(frozen=True)
class Act:
    """One event to be; `item` is an index, `amount` in cents."""

    namespace: str
    identifier: str
    type: str
    channel: str
    time: datetime
    item: int | None = None
    offer: str | None = None
    placement: str | None = None
    place: str | None = None
    quantity: int | None = None
    amount: int | None = None


@dataclass
class Visitor:
    """One customer living through the log."""

    person: Person
    goods: Goods
    promotions: Sequence[Promotion]
    rng: np.random.Generator
    acts: list[Act] = field(default_factory=list)
    _bought: list[int] = field(default_factory=list)
    _liking: Floats = field(init=False)
    _chance: Floats = field(init=False)
    _open: Floats = field(init=False)  # the chance of what is on sale

    def __post_init__(self) -> None:
        self._liking = affinity(self.person.taste, self.goods.vector, self.goods.bias)
        self._chance = np.exp(self._liking - self._liking.max())

    def live(self, setting: Setting) -> list[Act]:
        """Return everything that this customer does in the window, unsorted."""
        for moment, channel in self._calendar(setting):
            on_sale = self.goods.launch <= (moment - setting.start).days
            self._open = np.where(on_sale, self._chance, 0.0)
            if channel == "email":
                self._mail(moment, setting.end)
            else:
                self._visit(moment, channel)
        return [act for act in self.acts if act.time < setting.end]

    def _calendar(self, setting: Setting) -> list[tuple[datetime, str]]:
        rng, person = self.rng, self.person
        count = 1 + int(rng.poisson(person.visits * setting.days))
        days = rng.integers(setting.days, size=count)
        seconds = np.clip(rng.normal(15 * 3600, 3.2 * 3600, size=count), 0, 86_000)
        names = list(person.channels)
        which = rng.choice(len(names), size=count, p=list(person.channels.values()))
        calendar = [
            (setting.start + timedelta(days=int(day), seconds=int(second)), names[channel])
            for day, second, channel in zip(days, seconds, which, strict=True)
        ]
        if "email_sha256" in person.identifiers:
            calendar += [
                (setting.start + timedelta(days=day, hours=9), "email")
                for day in range(2, setting.days, 7)
            ]
        return sorted(calendar)

    def _visit(self, moment: datetime, channel: str) -> None:
        known = self.person.identifiers
        namespace = identifier_on(channel, known)
        assert namespace is not None
        value = known[namespace][int(self.rng.integers(len(known[namespace])))]
        seen = (namespace, value)
        if channel == "call_center":
            self._act(seen, "call", channel, moment)
        if self.rng.random() < 0.6:
            moment = self._contact(seen, channel, moment + timedelta(seconds=15))
        focus = self._draw(self._open)
        if channel in LOOKS:
            self._browse(seen, channel, moment, focus)
        else:
            self._shop(seen, channel, moment, focus)

    def _browse(self, seen: tuple[str, str], channel: str, moment: datetime, focus: int) -> None:
        item = focus
        for _ in range(1 + int(self.rng.poisson(2.5))):
            moment += timedelta(seconds=int(self.rng.integers(10, 120)))
            self._act(seen, "view", channel, moment, item=item)
            if self.rng.random() < _sigmoid(-1.8 + 0.5 * self._liking[item]):
                moment += timedelta(seconds=int(self.rng.integers(5, 60)))
                self._act(seen, "add_to_cart", channel, moment, item=item)
                if self.rng.random() < _sigmoid(0.1 + 0.3 * self._liking[item]):
                    moment += timedelta(seconds=int(self.rng.integers(30, 300)))
                    self._buy(seen, channel, moment, item)
            item = self._next(focus)

    def _shop(self, seen: tuple[str, str], channel: str, moment: datetime, focus: int) -> None:
        many = 1 + int(self.rng.poisson(1.8 if channel == "till" else 0.2))
        for number in range(many):
            again = self._bought and self.rng.random() < HABIT
            recent = self._bought[-20:]
            item = recent[int(self.rng.integers(len(recent)))] if again else focus
            if number and not again:
                item = self._next(focus)
            self._buy(seen, channel, moment + timedelta(seconds=2 * number + 120), item)

    def _contact(self, seen: tuple[str, str], channel: str, moment: datetime) -> datetime:
        """Show one offer in force on the channel; return when the customer goes on."""
        offer = self._offer(channel, moment)
        if offer is None:
            return moment
        self._act(seen, "impression", channel, moment, offer=offer)
        draw = self.rng.random()
        rate = self._rate(offer, channel)
        later = moment + timedelta(seconds=int(self.rng.integers(5, 40)))
        if draw < rate:
            self._act(seen, "click" if channel in LOOKS else "accept", channel, later, offer=offer)
        elif draw > 0.95:
            self._act(seen, "dismiss", channel, later, offer=offer)
        return later

    def _mail(self, moment: datetime, end: datetime) -> None:
        offer = self._offer("email", moment)
        if offer is None or self.rng.random() < 0.25:
            return
        seen = ("email_sha256", self.person.identifiers["email_sha256"][0])
        self._act(seen, "sent", "email", moment, offer=offer)
        responds = self.rng.random() < self._rate(offer, "email")
        opened = moment + timedelta(seconds=int(self.rng.integers(600, 100_000)))
        if opened >= end or not (responds or self.rng.random() < 0.3):
            return
        self._act(seen, "open", "email", opened, offer=offer)
        if responds:
            clicked = opened + timedelta(seconds=int(self.rng.integers(3, 60)))
            self._act(seen, "click", "email", clicked, offer=offer)
            if self.rng.random() < 0.4:
                best = max(offer.items, key=lambda item: self._liking[item])
                cookie = ("cookie", self.person.identifiers["cookie"][0])
                self._buy(cookie, "web", clicked + timedelta(minutes=5), best, offer)

    def _offer(self, channel: str, moment: datetime) -> Promotion | None:
        valid = [
            offer
            for offer in self.promotions
            if offer.valid_from <= moment < offer.valid_until
            and (not offer.channels or channel in offer.channels)
        ]
        return valid[int(self.rng.integers(len(valid)))] if valid else None

    def _rate(self, offer: Promotion, channel: str) -> float:
        return response_rate(float(self._liking[list(offer.items)].max()), channel)

    def _next(self, focus: int) -> int:
        if self.rng.random() >= FOCUS:
            return self._draw(self._open)
        same = self.goods.category == self.goods.category[focus]
        return self._draw(np.where(same, self._open, 0.0))

    def _draw(self, chance: Floats) -> int:
        total = np.cumsum(chance)
        return int(np.searchsorted(total, self.rng.random() * total[-1], side="right"))

    def _buy(
        self,
        seen: tuple[str, str],
        channel: str,
        moment: datetime,
        item: int,
        offer: Promotion | None = None,
    ) -> None:
        quantity = 1 + int(self.rng.random() < 0.15)
        price = int(self.goods.price[item]) if offer is None else offer.price
        self._act(
            seen,
            "purchase",
            channel,
            moment,
            item=item,
            offer=offer,
            quantity=quantity,
            amount=quantity * price,
        )
        self._bought.append(item)

    def _act(
        self,
        seen: tuple[str, str],
        type_: str,
        channel: str,
        moment: datetime,
        *,
        item: int | None = None,
        offer: Promotion | None = None,
        quantity: int | None = None,
        amount: int | None = None,
    ) -> None:
        shown = offer is not None and type_ != "purchase"
        if offer is not None and item is None and len(offer.items) == 1:
            item = offer.items[0]
        self.acts.append(
            Act(
                namespace=seen[0],
                identifier=seen[1],
                type=type_,
                channel=channel,
                time=moment,
                item=item,
                offer=None if offer is None else offer.id,
                placement=PLACEMENTS[channel] if shown else None,
                place=self.person.store if channel in ("till", "kiosk") else None,
                quantity=quantity,
                amount=amount,
            )
        )


def _sigmoid(value: float) -> float:
    return float(1.0 / (1.0 + np.exp(-value)))
