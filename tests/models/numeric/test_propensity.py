"""Propensities are what counting every order, and drawing again and again, says."""

import itertools
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.numeric.fixed import ONE
from models.numeric.propensity import Contest, _exp, propensities

EXACT = 1e-9

T = TypeVar("T")


def contest(
    weights: Sequence[float],
    leads: Sequence[int] | None = None,
    later: Sequence[bool] | None = None,
    classes: Sequence[Sequence[int]] = (),
    limits: tuple[int, ...] = (),
) -> Contest:
    """Return a contest of offers with log weights, each led by an item of its own unless said."""
    count = len(weights)
    return Contest(
        np.array([round(weight * ONE) for weight in weights], np.int64),
        np.array(range(count) if leads is None else leads, np.int64),
        np.array([False] * count if later is None else later, np.bool_),
        np.array(classes, np.int64).reshape(len(limits), count),
        limits,
    )


def slate(order: Sequence[int], offers: Contest, places: int) -> list[int]:
    """Return what is shown of offers in their order: the plain walk, place after place."""
    shown: list[int] = []
    for at in sorted(order, key=lambda offer: bool(offers.later[offer])):
        led = any(offers.leads[at] == offers.leads[other] for other in shown)
        full = any(
            values[at] >= 0 and sum(values[other] == values[at] for other in shown) >= limit
            for values, limit in zip(offers.classes, offers.limits, strict=True)
        )
        if len(shown) < places and not led and not full:
            shown.append(at)
    return shown


def counted(offers: Contest, temperature: float, places: int) -> list[float]:
    """Return the propensity of every offer, by the probability of each of their orders."""
    weights = (offers.log_weights / ONE / temperature).tolist()
    highest = max(weights)
    rates = [math.exp(weight - highest) for weight in weights]
    found = [0.0] * len(rates)
    for order in itertools.permutations(range(len(rates))):
        chance = 1.0
        for start, offer in enumerate(order):
            chance *= rates[offer] / math.fsum(rates[other] for other in order[start:])
        for offer in slate(order, offers, places):
            found[offer] += chance
    return found


@st.composite
def contests(draw: st.DrawFn) -> Contest:
    """Return contests of up to 5 offers, of weights that differ by up to e^40."""
    count = draw(st.integers(1, 5))

    def each(one: st.SearchStrategy[T]) -> list[T]:
        return draw(st.lists(one, min_size=count, max_size=count))

    leads = each(st.integers(0, 4))
    values = draw(st.lists(st.integers(-1, 2), min_size=5, max_size=5))
    spread = draw(st.sampled_from([1.0, 5.0, 40.0]))
    return contest(
        [spread * share for share in each(st.floats(-1, 0))],
        leads,
        each(st.booleans()),
        [[values[lead] for lead in leads]],
        (draw(st.integers(1, 3)),),
    )


@settings(deadline=None)
@given(contests(), st.sampled_from([1.0, 2.0]), st.integers(1, 6))
def test_propensities_are_those_of_all_orders(
    offers: Contest, temperature: float, places: int
) -> None:
    """Leads, a rule and tiers together, the propensity is the sum over every order to 1e-9."""
    wanted = np.arange(len(offers.leads))
    found = propensities(offers, temperature, places, wanted)
    assert found is not None
    assert found.tolist() == pytest.approx(counted(offers, temperature, places), abs=EXACT, rel=0)


@settings(deadline=None, max_examples=1_000)
@given(st.floats(-708, 0))
def test_exponentials_are_those_of_math(number: float) -> None:
    """The exponential by tables is math.exp's to 1e-15 of itself."""
    assert _exp(number) == pytest.approx(math.exp(number), rel=1e-15, abs=0)
