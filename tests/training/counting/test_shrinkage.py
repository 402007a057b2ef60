"""How strongly the shares of an attribute's customers are drawn to those of everybody."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from models.domain.events import attributes_event
from tests.support.training_logs import log_of
from training.counting.segment_popularity import SEGMENT_LIMIT, count_popularity
from training.counting.shrinkage import STRENGTHS, shrinkage_strength
from training.log.event_log import Log

SHARES = np.full(40, 1 / 40)


def halves(apart: float, events: int = 400) -> np.ndarray:
    """Return counts (2, 3, items): values differ from everybody by gamma noise `apart` wide."""
    random = np.random.default_rng(5)
    taste = random.dirichlet(SHARES * apart, 3) if apart else SHARES[None].repeat(3, 0)
    return np.stack([[random.multinomial(events, row) for row in taste] for _ in range(2)]).astype(
        float
    )


@pytest.mark.parametrize("apart", [40.0, 200.0, 1000.0])
def test_the_strength_is_that_which_the_shares_were_drawn_with(apart: float) -> None:
    """Shares from a Dirichlet of so many pseudo-events are drawn about so strongly."""
    assert apart / 2.5 < shrinkage_strength(halves(apart, 4000), SHARES) < apart * 2.5


def test_an_attribute_that_foretells_nothing_says_so() -> None:
    """What one half does by chance, the other does not: then nothing but everybody counts."""
    assert shrinkage_strength(halves(0.0), SHARES) == np.inf
    assert shrinkage_strength(np.zeros((2, 3, 40)), SHARES) == np.inf
    assert shrinkage_strength(halves(40.0), SHARES) in STRENGTHS


def with_attributes(log: Log, attributes: Sequence[Mapping[str, str]]) -> Log:
    """Return the log with `attributes` of each of its customers."""
    customers = (
        replace(one, events=(attributes_event(one.identifiers[0], said), *one.events))
        for one, said in zip(log.customers, attributes, strict=True)
    )
    return replace(log, customers=tuple(customers))


def test_only_attributes_that_tell_something_make_segments() -> None:
    """Those with a taste of their own are told apart; an attribute dealt at random is not."""
    random = np.random.default_rng(0)
    log = log_of(*(f"b{'AB'[at % 2]} bC" for at in range(400)), sequence=True)
    said = [{"taste": "ab"[at % 2], "shoe": str(random.integers(2))} for at in range(400)]
    found = count_popularity(with_attributes(log, said), ["purchase"], sorted(log.items))
    assert found.segments[:3] == ["", "taste=a", "taste=b"]
    assert not [name for name in found.segments if name.startswith("shoe")]
    of_a, of_b = np.exp(found.log_shares[1:3])
    assert of_a[0] > 0.3 > 0.1 > of_b[0]


def test_what_many_did_leaves_room_for_attributes() -> None:
    """However many purchases make segments, an attribute that tells something has its own."""
    every = " ".join(f"b{at}" for at in range(70))
    log = log_of(*(f"{every} b{'AB'[at % 3 == 0]}" for at in range(180)), sequence=True)
    said = [{"taste": "ab"[at % 3 == 0]} for at in range(180)]
    found = count_popularity(with_attributes(log, said), ["purchase"], sorted(log.items))
    assert found.segments[:3] == ["", "taste=a", "taste=b"]
    assert len(found.segments) == len(found.log_shares) == SEGMENT_LIMIT
