"""The load that the figure of record is measured under, made from a seed: simulated, and says so.

100,000 offers of dimension 64, of which 80 % may be shown at one moment and 1 % at another (by
their validity dates, which retrieval sees), and customers with 50 acts and 100 offers seen. The
release has both stages, or the first alone.

A later commit measures itself beside this one by `bench.prepare`, which uses `make_world`,
`enter_release`, `fill` and the customers of a world: these keep their names and first parameters,
and `KEY` and `SHARES` their values, whatever moves elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.second_stage import second_stage
from models.domain.catalogue import Item, Money
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.identifiers import Identifier, hash_identifier
from models.domain.profile import Compartment
from models.domain.view import view_of
from models.policy.schema import BUILT_IN, Policy
from models.recommender.user_features import HistoryConfig
from models.release.manifest import Vocabulary
from models.release.registry import Entry, Registry
from models.release.release import ReleaseContent
from models.release.writer import write_release
from service.store.customers.planning import Arrival
from service.store.opening import open_store
from training.ranking.fit_trees import RankerSettings

OFFERS = 100_000
DIMENSIONS = 64  # the bias included
CATEGORIES = 400
CUSTOMERS = 1_000
TAUGHT = 300  # customers that the trees are fitted on
ACTS = 50
SEEN = 100
KEY = b"\x5a" * 32  # of the identifiers' hashes
DAY = 86_400_000_000  # microseconds
# Two moments of one catalogue: what may be shown differs, nothing else does.
MOSTLY = 1_800_000_000_000_000
SPARSELY = MOSTLY + 30 * DAY
SHARES = {MOSTLY: 0.80, SPARSELY: 0.01}
RANKER = RankerSettings()

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class World:
    """Everything a server needs; `categories` holds the category of each item."""

    content: ReleaseContent
    categories: NDArray[np.int64]
    items: list[Item]
    events: list[Event]
    customers: list[str]


def make_world(
    offers: int = OFFERS, seed: int = 7, ranker: RankerSettings | None = RANKER
) -> World:
    """Return the world of a seed; without `ranker` the release has the first stage alone."""
    random = np.random.default_rng(seed)
    categories = random.choice(CATEGORIES, offers, p=random.dirichlet(np.full(CATEGORIES, 0.5)))
    vectors = _item_vectors(categories, random)
    names = [f"item-{number:06d}" for number in range(offers)]
    users = [vectors + random.normal(0, 0.1, vectors.shape).astype(np.float32) for _ in range(3)]
    for part in users:
        part[:, -1] = 0.0
    kinds = ("view", "add_to_cart", "purchase")
    share = random.dirichlet(np.full(offers, 0.3)) + 1e-9
    content = ReleaseContent(
        vocabulary=Vocabulary(
            items=names,
            item_features=["category=0"],
            user_features=["constant", *(f"{kind}:{name}" for kind in kinds for name in names)],
            segments=[""],
        ),
        item_vectors=vectors,
        item_feature_vectors=np.zeros((1, DIMENSIONS), np.float32),
        user_feature_vectors=np.concatenate([np.zeros((1, DIMENSIONS), np.float32), *users]),
        popularity=np.log(share)[None, :].clip(-20).astype(np.float32),
        item_weights=np.ones(offers, np.float32),
    )
    customers = [f"C{number:05d}" for number in range(CUSTOMERS)]
    items = _items(names, categories, random)
    lives = [_life(who, names, categories, random) for who in customers]
    if ranker is not None:
        views = [view_of([fold(Compartment(), life)]) for life in lives[:TAUGHT]]
        row_of = {name: row for row, name in enumerate(names)}
        stage = second_stage(categories, content.popularity, views, row_of, MOSTLY, ranker, random)
        content = msgspec.structs.replace(content, second_stage=stage)
    return World(content, categories, items, [event for life in lives for event in life], customers)


def enter_release(world: World, registry: Path, policy: Policy = BUILT_IN) -> Path:
    """Write the world's release, put it in force with a policy, and return its directory."""
    release_id, directory = write_release(
        registry,
        world.content,
        (),
        label="ORGANIC",
        simulated=True,
        data={"kind": "timed", "source": "bench"},
        history=HistoryConfig(),
        configuration={},
        versions={},
        metrics=(),
    )
    book = Registry(registry)
    book.add(Entry(release=release_id, created=1))
    book.promote(release_id, 1)
    if policy != BUILT_IN:
        book.publish(policy, 1)
    return directory


def fill(url: str, made: World) -> None:
    """Put catalogue and customers into a store."""
    store = open_store(url, key=KEY, timeout=30)
    for start in range(0, len(made.items), 1_000):
        store.put_catalogue(made.items[start : start + 1_000])
    for start in range(0, len(made.events), 10_000):
        store.load(made.events[start : start + 10_000], [], Arrival(MOSTLY, look_up=False))
    store.close()


def _item_vectors(categories: NDArray[np.int64], random: np.random.Generator) -> Floats:
    """Return vectors that crowd around their categories, spread as trained ones: less and less."""
    spread = 1 / np.sqrt(1 + np.arange(DIMENSIONS - 1) / 6)
    centres = random.normal(0, 0.5, (CATEGORIES, DIMENSIONS - 1)) * spread
    noise = random.normal(0, 0.6, (len(categories), DIMENSIONS - 1)) * spread
    bias = random.normal(-1.5, 0.7, (len(categories), 1))
    return np.concatenate([centres[categories] + noise, bias], axis=1).astype(np.float32)


def _items(
    names: list[str], categories: NDArray[np.int64], random: np.random.Generator
) -> list[Item]:
    """Return the items: each is offered at both moments, at one of them, or before both."""
    draw = random.random(len(names))
    return [
        Item(
            id=name,
            title=f"Item {name}",
            features={"category": [str(categories[at])]},
            price=Money("EUR", 5 + at % 90, 990_000_000),
            valid_from=MOSTLY - 300 * DAY,
            valid_until=_until(float(draw[at])),
        )
        for at, name in enumerate(names)
    ]


def _until(draw: float) -> int:
    if draw < SHARES[SPARSELY]:
        return SPARSELY + 300 * DAY
    return MOSTLY + 10 * DAY if draw < SHARES[MOSTLY] else MOSTLY - 10 * DAY


def _life(
    who: str,
    names: list[str],
    categories: NDArray[np.int64],
    random: np.random.Generator,
) -> list[Event]:
    """Return a customer's 50 acts in a few categories and 100 impressions, over sixty days."""
    identifier = hash_identifier(KEY, Identifier("loyalty", who))
    tastes = categories[random.integers(0, len(names), 3)]
    pool = np.flatnonzero(np.isin(categories, tastes))
    types = ("view",) * 35 + ("add_to_cart",) * 8 + ("purchase",) * 7
    channels = ("web", "app", "till", "email")
    events = []
    for at in range(ACTS + SEEN):
        item = names[int(random.choice(pool if random.random() < 0.9 else len(names)))]
        act = at < ACTS
        events.append(
            Event(
                event_id=f"{who}:{at}",
                identifier=identifier,
                type=types[at] if act else "impression",
                channel=channels[int(random.integers(len(channels)))],
                time=MOSTLY - int(random.integers(1, 60 * 86_400)) * 1_000_000,
                item=item,
                offer="" if act else f"item:{item}",
                placement="home_hero",
            )
        )
    return events
