"""The fit: what is exported scores as LightFM does, and no example sees its own target."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightfm import LightFM
from scipy import sparse

import training.retrieval.fit
from models.domain.catalogue import Item
from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import view_of
from models.numeric.fixed import ONE, dot, to_fixed
from models.recommender.user_features import attribute_features, history_features
from models.recommender.user_vector import place_customer
from models.release.release import Release
from training.log.event_log import Customer, Log
from training.retrieval.examples import make_examples
from training.retrieval.fit import StageOneSettings
from training.retrieval.stage_one import fit_content, history_for
from training.run.config import TrainConfig
from training.run.release import in_memory, manifest_fields

pytestmark = pytest.mark.machine

ITEMS = 12


def event(number: int, kind: str, item: int, who: bytes = b"c" * 16) -> Event:
    """Return an event of day `number`."""
    return Event(
        event_id=f"{number}:{kind}:{item}",
        identifier=who,
        type=kind,
        channel="web",
        time=(1 + number) * 86_400_000_000,
        item=f"item{item}",
    )


def log_of(customers: int = 40) -> Log:
    """Return a log in which customers buy items of one parity."""
    found = []
    for at in range(customers):
        who = at.to_bytes(16, "big")
        events = [event(day, "purchase", (2 * day + at) % ITEMS, who) for day in range(6)]
        found.append(Customer((who,), tuple(events)))
    items = {
        f"item{number}": Item(id=f"item{number}", features={"parity": [str(number % 2)]})
        for number in range(ITEMS)
    }
    metadata = Metadata(kind="timed", source="tests", digests={"events.parquet": "0"})
    places = {customer.identifiers[0]: at for at, customer in enumerate(found)}
    return Log(metadata, tuple(found), items, (), EVENT_TYPES, places)


@cache
def fitted() -> tuple[LightFM, Release]:
    """Return a LightFM model and the release exported from it."""
    kept: list[LightFM] = []

    class Kept(LightFM):  # type: ignore[misc]
        def __init__(self, **arguments: object) -> None:
            super().__init__(**arguments)
            kept.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training.retrieval.fit, "LightFM", Kept)
        release = fit_small()
    return kept[0], release


def fit_small() -> Release:
    """Fit a small release in memory."""
    log = log_of()
    chosen = StageOneSettings(dimensions=16, epochs=4, least_rows=1, least_items=1)
    history = history_for(log)
    content = fit_content(log, ("purchase",), history, chosen, seed=3)
    config = TrainConfig(seed=3, stage_one=chosen)
    fields = manifest_fields(log, ("purchase",), history, config, "")
    return in_memory(content, fields)


@settings(max_examples=40)
@given(st.lists(st.integers(0, ITEMS - 1), max_size=30))
def test_index_score_is_lightfms_predict(items: list[int]) -> None:
    """For any history the exported vectors score items as `LightFM.predict`, biases included."""
    model, release = fitted()
    events = [event(day, "purchase", item) for day, item in enumerate(items)]
    view = view_of([fold(Compartment(), events)])
    names = list(release.user_feature_row)
    row = np.zeros(len(names), np.float32)
    for column in (*history_features(view, release.history, 0), *attribute_features(view)):
        if column.name in release.user_feature_row:
            row[release.user_feature_row[column.name]] += column.weight / ONE
    features = sparse.hstack(
        [
            sparse.identity(ITEMS, np.float32),
            sparse.csr_matrix(
                [
                    [float(int(item[4:]) % 2 == parity) for parity in (0, 1)]
                    for item in release.items
                ],
                dtype=np.float32,
            ),
        ],
        format="csr",
    )
    expected = model.predict(
        np.zeros(ITEMS, np.int32),
        np.arange(ITEMS, dtype=np.int32),
        item_features=features,
        user_features=sparse.csr_matrix(row[None, :]),
    )
    customer = place_customer(view, release, 0)
    scores = (
        dot(to_fixed(release.vectors), np.arange(ITEMS), customer.vector) + customer.bias
    ) / ONE
    np.testing.assert_allclose(scores, expected, atol=1e-3)


def test_one_seed_gives_one_model() -> None:
    """Two fits of the same data under the same seed are equal to the last bit."""
    again = fit_small()
    np.testing.assert_array_equal(fitted()[1].vectors, again.vectors)
    np.testing.assert_array_equal(fitted()[1].users_fixed, again.users_fixed)


def test_no_example_sees_its_target_moment() -> None:
    """A row's columns name only what came strictly before the moment of its targets."""
    log = log_of(1)
    examples = make_examples(log, ("purchase",), history_for(log), 20, seed=0)
    order = [event.item for event in log.customers[0].events]
    for row in range(examples.rows):
        columns = examples.indices[examples.starts[row] : examples.starts[row + 1]]
        seen = {examples.names[at].partition(":")[2] for at in columns} - {""}
        targets = [examples.items[item] for at, item in examples.positives if at == row]
        first = min(order.index(target) for target in targets)
        assert seen <= set(order[:first])


def test_an_undated_example_never_holds_its_own_target() -> None:
    """Where there is no order, no event of a target item is in its own row, views included."""
    who = b"u" * 16
    events = tuple(
        Event(
            event_id=f"{kind}{item}", identifier=who, type=kind, channel="app", item=f"item{item}"
        )
        for item in range(6)
        for kind in ("view", "purchase")
    )
    whole = log_of(1)
    log = Log(
        Metadata(kind="undated", source="tests"),
        (Customer((who,), events),),
        whole.items,
        (),
        EVENT_TYPES,
        {who: 0},
    )
    examples = make_examples(log, ("purchase",), history_for(log), 4, seed=0)
    assert examples.rows == 4
    for row in range(examples.rows):
        columns = examples.indices[examples.starts[row] : examples.starts[row + 1]]
        seen = {examples.names[at].partition(":")[2] for at in columns}
        assert not seen & {examples.items[item] for at, item in examples.positives if at == row}
