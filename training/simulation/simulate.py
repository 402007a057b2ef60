"""`throughline simulate`: a dataset of a retailer that does not exist, with its truth beside it.

`truth.json` holds the tastes, the items' vectors and the response rates of the retailer, so that
what a model learns can be measured against what is so.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from models.domain.dataset import Metadata, check_free
from training.log.dataset import frame, schema, write_dataset
from training.simulation import retailer
from training.simulation.behaviour import Act, Visitor
from training.simulation.retailer import Goods, Person, Promotion, Setting

SOURCE = "throughline simulate"
TRUTH = "truth.json"


class Link(msgspec.Struct, frozen=True):
    """That two identifiers are one customer's, who said so and when."""

    a: tuple[str, str]
    b: tuple[str, str]
    asserted_by: str
    time: datetime


@dataclass(frozen=True)
class Life:
    """What one customer did, and the links that it made known."""

    person: Person
    acts: list[Act]
    links: list[Link]


def simulate(
    out: Path, setting: Setting, progress: Callable[[int], None] = lambda _: None
) -> Metadata:
    """Write a simulated dataset into the new directory `out`; `progress` gets customers done.

    The same setting gives the same bytes. Raises `FileExistsError` where `out` is not free.
    """
    check_free(out)
    world, *seeds = np.random.SeedSequence(setting.seed).spawn(1 + setting.customers)
    rng = np.random.default_rng(world)
    goods = retailer.make_goods(setting, rng)
    promotions = retailer.make_promotions(setting, goods, rng)
    people = retailer.make_people(setting, rng)
    lives = []
    for number, (person, seed) in enumerate(zip(people, seeds, strict=True), start=1):
        own = np.random.default_rng(seed)
        acts = Visitor(person, goods, promotions, own).live(setting)
        lives.append(Life(person, acts, _links(person, acts, setting, own)))
        progress(number)
    tables = {
        "events": _events(lives, goods),
        "items": _items(goods, setting),
        "offers": _offers(promotions, goods),
        "customers": _customers(people, rng),
        "links": _link_table(lives),
    }
    metadata = Metadata(
        kind="timed",
        source=SOURCE,
        simulated=True,
        channels=tables["events"]["channel"].unique().sort().to_list(),
        namespaces=sorted({name for person in people for name in person.identifiers}),
    )
    extras = {TRUTH: _truth(setting, goods, lives)}
    return write_dataset(out, tables, metadata, extras)


def _links(
    person: Person, acts: Sequence[Act], setting: Setting, rng: np.random.Generator
) -> list[Link]:
    """Return who was recognised as whom; some browsers never log in and stay strangers."""
    known = {namespace: values[0] for namespace, values in person.identifiers.items()}
    first = {
        (act.namespace, act.identifier): act.time for act in sorted(acts, key=_when, reverse=True)
    }

    def said(a: tuple[str, str], b: tuple[str, str], by: str) -> Link:
        seen = max(first.get(a, setting.start), first.get(b, setting.start))
        later = seen + timedelta(seconds=int(rng.integers(30, 86_400)))
        return Link(a, b, by, min(later, setting.end - timedelta(seconds=1)))

    links = []
    account = next((name for name in ("email_sha256", "loyalty") if name in known), None)
    if account is None:
        return []
    main = (account, known[account])
    for cookie in person.identifiers["cookie"]:
        if rng.random() < 0.8:
            links.append(said(("cookie", cookie), main, "login"))
    if "device" in known:
        links.append(said(("device", known["device"]), main, "login"))
    if account != "loyalty" and "loyalty" in known and rng.random() < 0.9:
        links.append(said(("loyalty", known["loyalty"]), main, "loyalty_scan"))
    if "phone_sha256" in known:
        links.append(said(("phone_sha256", known["phone_sha256"]), main, "agent"))
    return links


def _when(act: Act) -> tuple[datetime, str]:
    return act.time, act.type


def _money(cents: Iterable[int | None]) -> tuple[list[int | None], list[int | None]]:
    amounts = list(cents)
    units = [None if amount is None else amount // 100 for amount in amounts]
    nanos = [None if amount is None else amount % 100 * 10_000_000 for amount in amounts]
    return units, nanos


def _events(lives: Sequence[Life], goods: Goods) -> pl.DataFrame:
    acts = [act for life in lives for act in life.acts]
    acts.sort(key=lambda act: (act.time, act.namespace, act.identifier))
    units, nanos = _money(act.amount for act in acts)
    columns = {
        "event_id": [f"sim-{number:08d}" for number in range(1, len(acts) + 1)],
        "namespace": [act.namespace for act in acts],
        "identifier": [act.identifier for act in acts],
        "type": [act.type for act in acts],
        "channel": [act.channel for act in acts],
        "time": [act.time for act in acts],
        "sequence": [None] * len(acts),
        "item": [None if act.item is None else goods.ids[act.item] for act in acts],
        "offer": [act.offer for act in acts],
        "placement": [act.placement for act in acts],
        "place": [act.place for act in acts],
        "quantity": [act.quantity for act in acts],
        "amount_units": units,
        "amount_nanos": nanos,
        "currency": [None if act.amount is None else retailer.CURRENCY for act in acts],
        "decision_id": [None] * len(acts),
        "attributes": [None] * len(acts),
    }
    types = {name: kind for name, kind in schema("events").items() if name in columns}
    return pl.DataFrame(columns, schema=types, strict=False)


def _items(goods: Goods, setting: Setting) -> pl.DataFrame:
    price, value = _money(goods.price.tolist()), _money(goods.value.tolist())
    features = [_features(goods, [index]) for index in range(len(goods.ids))]
    as_of = int(setting.end.timestamp()) * 1_000_000
    places = ("", *retailer.STORES)
    stock = [
        _json(
            [
                {"place": place, "quantity": quantity, "as_of": as_of}
                for place, quantity in zip(places, row, strict=True)
            ]
        )
        for row in goods.stock.tolist()
    ]
    columns: dict[str, Sequence[object]] = {
        "item": goods.ids,
        "title": goods.titles,
        "features": features,
        "price_units": price[0],
        "price_nanos": price[1],
        "value_units": value[0],
        "value_nanos": value[1],
        "currency": [retailer.CURRENCY] * len(goods.ids),
        "stock": stock,
    }
    if goods.launch.any():
        days = [timedelta(days=day) if day else None for day in goods.launch.tolist()]
        columns["valid_from"] = [None if day is None else setting.start + day for day in days]
    return frame("items", columns)


def _offers(promotions: Sequence[Promotion], goods: Goods) -> pl.DataFrame:
    price, value = _money(p.price for p in promotions), _money(p.value for p in promotions)
    columns: dict[str, Sequence[object]] = {
        "offer": [promotion.id for promotion in promotions],
        "title": [promotion.title for promotion in promotions],
        "items": [[goods.ids[item] for item in promotion.items] for promotion in promotions],
        "features": [_features(goods, promotion.items) for promotion in promotions],
        "price_units": price[0],
        "price_nanos": price[1],
        "value_units": value[0],
        "value_nanos": value[1],
        "currency": [retailer.CURRENCY] * len(promotions),
        "valid_from": [promotion.valid_from for promotion in promotions],
        "valid_until": [promotion.valid_until for promotion in promotions],
        "channels": [list(promotion.channels) or None for promotion in promotions],
    }
    return frame("offers", columns)


def _features(goods: Goods, items: Sequence[int]) -> str:
    brands = sorted({retailer.BRANDS[goods.brand[item]] for item in items})
    category = retailer.CATEGORIES[goods.category[items[0]]][0]
    return _json({"brand": brands if len(brands) > 1 else brands[0], "category": category})


def _customers(people: Sequence[Person], rng: np.random.Generator) -> pl.DataFrame:
    """Return what the retailer believes of its customers: one segment in ten is wrong."""
    rows = []
    for person in people:
        order = ("loyalty", "email_sha256", "cookie")
        namespace = next(name for name in order if name in person.identifiers)
        segment = retailer.SEGMENTS[person.segment]
        if rng.random() < 0.1:
            segment = retailer.SEGMENTS[int(rng.integers(len(retailer.SEGMENTS)))]
        attributes = {"region": retailer.REGIONS[person.region], "segment": segment}
        if rng.random() < 0.9:
            rows.append((namespace, person.identifiers[namespace][0], _json(attributes)))
    return pl.DataFrame(sorted(rows), schema=schema("customers"), orient="row")


def _link_table(lives: Sequence[Life]) -> pl.DataFrame:
    rows = sorted(
        (*link.a, *link.b, link.asserted_by, link.time) for life in lives for link in life.links
    )
    return pl.DataFrame(rows, schema=schema("links"), orient="row")


def _truth(setting: Setting, goods: Goods, lives: Sequence[Life]) -> bytes:
    truth = {
        "simulated": True,
        "source": SOURCE,
        "seed": setting.seed,
        "affinity": "scale * (taste . vector) / sqrt(dimensions) + bias",
        "response_rate": "sigmoid(intercept + slope * (largest affinity of the offer's items)"
        " + channel_effect[channel])",
        "scale": retailer.SCALE,
        "dimensions": retailer.DIMENSIONS,
        "intercept": retailer.INTERCEPT,
        "slope": retailer.SLOPE,
        "channel_effect": retailer.CHANNEL_EFFECT,
        "items": [
            {"item": item, "vector": _rounded(vector), "bias": round(float(bias), 6)}
            for item, vector, bias in zip(goods.ids, goods.vector, goods.bias, strict=True)
        ],
        "customers": [
            {
                "identifiers": [
                    f"{name}:{value}"
                    for name, values in life.person.identifiers.items()
                    for value in values
                ],
                "segment": retailer.SEGMENTS[life.person.segment],
                "region": retailer.REGIONS[life.person.region],
                "taste": _rounded(life.person.taste),
            }
            for life in lives
        ],
    }
    return msgspec.json.encode(truth) + b"\n"


def _rounded(vector: retailer.Floats) -> list[float]:
    return [round(float(value), 6) for value in vector]


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
