"""A small retailer that does not exist, with known truth: its items, offers, stores and customers.

Taste is a vector; the affinity of customer c to item i is

    affinity(c, i) = SCALE * taste(c) . vector(i) / sqrt(DIMENSIONS) + bias(i)

and the probability that c responds to an offer shown on a channel is

    sigmoid(INTERCEPT + SLOPE * max over the offer's items of affinity + CHANNEL_EFFECT[channel]).
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIMENSIONS = 6
SCALE = 1.8
INTERCEPT = -3.2
SLOPE = 0.8
CHANNEL_EFFECT = {
    "web": 0.0,
    "app": 0.3,
    "email": -0.5,
    "till": 0.4,
    "kiosk": 0.2,
    "call_center": 0.6,
}

CATEGORIES = (
    ("coffee", 7.0),
    ("tea", 4.5),
    ("bread", 3.0),
    ("dairy", 2.0),
    ("fruit", 3.5),
    ("snacks", 2.5),
    ("wine", 11.0),
    ("pet_food", 14.0),
    ("cleaning", 6.0),
    ("baby", 13.0),
    ("cosmetics", 9.0),
    ("stationery", 5.0),
)
BRANDS = ("Alba", "Brio", "Corva", "Delmo", "Esto", "Fanto", "Gira", "Halden")
SEGMENTS = ("family", "student", "senior", "professional", "saver")
REGIONS = ("north", "east", "south", "west")
STORES = ("store_1", "store_2", "store_3", "store_4")
CURRENCY = "EUR"


@dataclass(frozen=True)
class Setting:
    """How large the retailer is; its events lie in the `days` before `end`.

    `launched` is the share of the items that come on sale in the course of these days.
    """

    customers: int = 600
    items: int = 240
    days: int = 120
    seed: int = 7
    end: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    launched: float = 0.0

    @property
    def start(self) -> datetime:
        """The first moment of the log."""
        return self.end - timedelta(days=self.days)


@dataclass(frozen=True)
class Goods:
    """The items, by index. `price` and `value` in cents; `stock[i]` the pieces online and by store.

    `launch` (items,) counts the days from the start of the log to the first on sale, 0 if before.
    `vector` is (items, DIMENSIONS), `bias` (items,), `category` and `brand` indices.
    """

    ids: tuple[str, ...]
    titles: tuple[str, ...]
    category: NDArray[np.int64]
    brand: NDArray[np.int64]
    price: NDArray[np.int64]
    value: NDArray[np.int64]
    stock: NDArray[np.int64]
    launch: NDArray[np.int64]
    vector: Floats
    bias: Floats


@dataclass(frozen=True)
class Promotion:
    """An offer over one item or a set; no `channels` means all. Price and value in cents."""

    id: str
    title: str
    items: tuple[int, ...]
    price: int
    value: int
    valid_from: datetime
    valid_until: datetime
    channels: tuple[str, ...]


@dataclass(frozen=True)
class Person:
    """One customer as they are: identifiers by namespace, taste, habits."""

    identifiers: dict[str, tuple[str, ...]]
    segment: int
    region: int
    store: str
    taste: Floats
    visits: float
    channels: dict[str, float]


def make_goods(setting: Setting, rng: np.random.Generator) -> Goods:
    """Make the items: a category and a brand each, and a vector near those of both."""
    count = setting.items
    category = rng.integers(len(CATEGORIES), size=count)
    brand = rng.integers(len(BRANDS), size=count)
    of_category = rng.normal(size=(len(CATEGORIES), DIMENSIONS))
    of_brand = 0.4 * rng.normal(size=(len(BRANDS), DIMENSIONS))
    typical = np.array([price for _, price in CATEGORIES])[category]
    price = np.maximum(50, np.rint(100 * typical * np.exp(0.35 * rng.normal(size=count))))
    margin = rng.uniform(0.12, 0.45, size=count)
    stock = rng.integers(3, 60, size=(count, 1 + len(STORES)))
    stock[rng.random(stock.shape) < 0.06] = 0
    width = len(str(count))
    return Goods(
        ids=tuple(f"item-{number:0{width}d}" for number in range(1, count + 1)),
        titles=tuple(
            f"{BRANDS[b]} {CATEGORIES[c][0].replace('_', ' ')} {number}"
            for number, (b, c) in enumerate(zip(brand, category, strict=True), start=1)
        ),
        category=category,
        brand=brand,
        price=price.astype(np.int64),
        value=np.maximum(1, np.rint(price * margin)).astype(np.int64),
        stock=stock,
        launch=_launches(setting),
        vector=of_category[category] + of_brand[brand] + 0.3 * rng.normal(size=(count, DIMENSIONS)),
        bias=0.7 * rng.normal(size=count),
    )


def _launches(setting: Setting) -> NDArray[np.int64]:
    """Return when each item (items,) comes on sale; the first one is there from the start.

    They are drawn apart, so that without launches everything is as if there were none.
    """
    rng = np.random.default_rng([setting.seed, 1])
    days = rng.integers(1, setting.days, size=setting.items)
    days[rng.random(setting.items) >= setting.launched] = 0
    days[0] = 0
    return days


def make_promotions(
    setting: Setting, goods: Goods, rng: np.random.Generator
) -> tuple[Promotion, ...]:
    """Make the offers, one for each eight items: half on one item, half on a set of a category.

    The last third of them is still valid after the end of the log.
    """
    count = max(6, setting.items // 8)
    limits: tuple[tuple[str, ...], ...] = ((), (), (), ("web", "app", "email"), ("till", "kiosk"))
    promotions = []
    for number in range(1, count + 1):
        lead = int(rng.integers(setting.items))
        same = np.flatnonzero(goods.category == goods.category[lead])
        several = number % 2 == 0 and len(same) > 1
        size = int(rng.integers(2, 1 + min(12, len(same)))) if several else 1
        chosen = rng.choice(same, size, replace=False) if several else np.array([lead])
        items = tuple(sorted(int(item) for item in chosen))
        cut = float(rng.uniform(0.1, 0.3))
        begin = setting.start + timedelta(days=int(rng.integers(max(1, setting.days - 14))))
        until = begin + timedelta(days=int(rng.integers(14, 43)))
        if number > count - count // 3:
            begin = setting.end - timedelta(days=int(rng.integers(7, 29)))
            until = setting.end + timedelta(days=int(rng.integers(30, 91)))
        wait = setting.start + timedelta(days=int(goods.launch[list(items)].max())) - begin
        begin, until = begin + max(wait, timedelta()), until + max(wait, timedelta())
        price = round(float(np.mean(goods.price[list(items)])) * (1 - cut))
        value = max(1, round(float(np.mean(goods.value[list(items)])) * (1 - cut)))
        name = CATEGORIES[goods.category[lead]][0].replace("_", " ")
        what = f"{len(items)} kinds of {name}" if several else goods.titles[items[0]]
        promotions.append(
            Promotion(
                id=f"promo-{number:03d}",
                title=f"{round(100 * cut)} % off {what}",
                items=items,
                price=price,
                value=value,
                valid_from=begin,
                valid_until=until,
                channels=limits[int(rng.integers(len(limits)))],
            )
        )
    return tuple(promotions)


def make_people(setting: Setting, rng: np.random.Generator) -> tuple[Person, ...]:
    """Make the customers: taste by segment, and identifiers that decide where they are seen."""
    of_segment = 0.8 * rng.normal(size=(len(SEGMENTS), DIMENSIONS))
    people = []
    for number in range(1, setting.customers + 1):
        segment = int(rng.choice(len(SEGMENTS), p=(0.3, 0.2, 0.2, 0.2, 0.1)))
        known: dict[str, tuple[str, ...]] = {
            "cookie": tuple(
                f"c{number}-{browser}" for browser in range(1, 2 + int(rng.random() < 0.45))
            )
        }
        if rng.random() < 0.5:
            known["device"] = (f"d{number}",)
        if rng.random() < 0.65:
            known["email_sha256"] = (_sha256(f"customer{number}@example.com"),)
        if rng.random() < 0.7:
            known["loyalty"] = (f"L{number:06d}",)
        if rng.random() < 0.2:
            known["phone_sha256"] = (_sha256(f"+3200{number:07d}"),)
        people.append(
            Person(
                identifiers=known,
                segment=segment,
                region=int(rng.integers(len(REGIONS))),
                store=STORES[int(rng.integers(len(STORES)))],
                taste=of_segment[segment] + 0.6 * rng.normal(size=DIMENSIONS),
                visits=float(rng.gamma(1.5, 0.12)),
                channels=_habits(known, rng),
            )
        )
    return tuple(people)


def affinity(taste: Floats, vector: Floats, bias: Floats) -> Floats:
    """Return the affinity of a customer of that taste to items of these vectors, (items,)."""
    liking: Floats = SCALE * (vector @ taste) / np.sqrt(DIMENSIONS) + bias
    return liking


def response_rate(best: float, channel: str) -> float:
    """Return the probability of a response to an offer whose best item has affinity `best`."""
    odds = INTERCEPT + SLOPE * best + CHANNEL_EFFECT[channel]
    return float(1.0 / (1.0 + np.exp(-odds)))


def identifier_on(channel: str, known: dict[str, tuple[str, ...]]) -> str | None:
    """Return the namespace under which a channel sees a customer, or None where it cannot."""
    ways = {
        "web": ("cookie",),
        "app": ("device",),
        "email": ("email_sha256",),
        "till": ("loyalty",),
        "kiosk": ("loyalty",),
        "call_center": ("phone_sha256", "loyalty"),
    }
    return next((namespace for namespace in ways[channel] if namespace in known), None)


def _habits(known: dict[str, tuple[str, ...]], rng: np.random.Generator) -> dict[str, float]:
    channels = ("web", "app", "till", "kiosk", "call_center")
    shares = rng.dirichlet((2.0, 2.5, 2.5, 0.5, 0.2))
    open_to = {
        channel: float(share)
        for channel, share in zip(channels, shares, strict=True)
        if identifier_on(channel, known) is not None
    }
    total = sum(open_to.values())
    return {channel: share / total for channel, share in open_to.items()}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
