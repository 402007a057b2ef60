"""Draws are the same everywhere, spread as Gumbel's law says, and logarithms are what math says."""

import math
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.numeric import draws
from models.numeric.array_types import Doubles, Fixed
from models.numeric.draws import explored, gumbels, log_fixed, logs, unit
from models.numeric.fixed import ONE

OFFERS = [f"offer-{number}" for number in range(200)]
SEED = bytes(range(16))
ROUNDED = 0.5 + 1e-6  # half a unit, and what the logarithm itself is off by

# What these draws were when they were first made, in units of 2^-20: records are replayed by them.
KNOWN = [1194980, -825050, 328026, -61034, -809225]


def drawn(buckets: int) -> Doubles:
    """Return the draws of all offers in many time buckets, as numbers."""
    found = [gumbels(SEED, OFFERS, "policy", bucket) for bucket in range(buckets)]
    return np.concatenate(found) / ONE


def bits(numbers: Doubles) -> list[int]:
    """Return numbers as the bits that hold them."""
    found: list[int] = numbers.view(np.int64).tolist()
    return found


def test_draws_are_those_of_every_other_machine() -> None:
    """A draw is the same number for ever, and does not depend on what is drawn beside it."""
    assert gumbels(SEED, OFFERS[:5], "policy", 7).tolist() == KNOWN
    assert gumbels(SEED, OFFERS[4:], "policy", 7).tolist()[0] == KNOWN[4]
    assert gumbels(SEED, [], "policy", 7).tolist() == []


def test_draws_do_not_depend_on_how_python_hashes() -> None:
    """A process whose hashes of strings are salted otherwise draws the same."""
    program = f"""
from models.numeric.draws import gumbels, unit
print(gumbels({SEED!r}, {OFFERS!r}, "policy", -3).tolist(), unit({SEED!r}, "arm"))
"""
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": salt},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for salt in ("1", "2")
    }
    here = gumbels(SEED, OFFERS, "policy", -3).tolist(), unit(SEED, "arm")
    assert said == {f"{here[0]} {here[1]}\n"}


def test_each_part_of_the_key_changes_every_draw() -> None:
    """Another person, policy or time bucket has other draws, and no part runs into the next."""
    keys = [(SEED, "policy", 7), (SEED[:15], "policy", 7), (SEED, "polic", 7), (SEED, "policy", 8)]
    every = np.array([gumbels(seed, OFFERS, policy, bucket) for seed, policy, bucket in keys])
    for i in range(len(keys)):
        for j in range(i):
            assert (every[i] != every[j]).all()
    assert gumbels(SEED, ["ab"], "p", 0) != gumbels(SEED, ["b"], "pa", 0)


def test_draws_follow_gumbels_law() -> None:
    """Draws fall evenly into 64 classes that Gumbel's law gives the same probability."""
    found = drawn(500)
    counts = np.bincount(np.floor(np.exp(-np.exp(-found)) * 64).astype(int), minlength=64)
    expected = len(found) / 64
    square = float(((counts - expected) ** 2 / expected).sum())
    # 63 degrees of freedom: outside of this once in 10,000.
    assert 28 < square < 117


def test_draws_of_neighbours_are_independent() -> None:
    """Draws of the same offer in adjacent buckets, and of adjacent offers, do not go together."""
    found = drawn(500).reshape(500, 200)
    for one, other in ((found[1:], found[:-1]), (found[:, 1:], found[:, :-1])):
        correlation = np.corrcoef(one.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4 / math.sqrt(one.size)


def test_a_draw_is_the_rounded_logarithm_of_a_logarithm() -> None:
    """A draw is -ln(-ln u) to half a unit for every u, the least and the greatest too."""
    hashes = [0, 2**12 - 1, 2**12, 2**63 - 1, 2**63, 2**64 - 2**12, 2**64 - 1]
    hashes += [number * 0x9E3779B97F4A7C15 % 2**64 for number in range(1, 2_000)]
    found = draws._gumbels(np.array(hashes, np.uint64)).tolist()
    for value, draw in zip(hashes, found, strict=True):
        rest = 2**53 - (2 * (value >> 12) + 1)
        exact = -math.log(-math.log1p(-rest / 2**53))
        assert abs(draw - exact * ONE) <= ROUNDED
    assert min(found) > -3.7 * ONE
    assert max(found) < 36.8 * ONE


@settings(deadline=None)
@given(st.lists(st.floats(1e-300, 1e300), max_size=50))
def test_logarithms_are_near_and_the_same_with_and_without_a_compiler(numbers: list[float]) -> None:
    """A logarithm is math.log's to 2^-50 of itself, and the compiled one has the same bits."""
    array = np.array(numbers, np.float64)
    found = logs(array)
    uncompiled: Any = draws.log
    assert bits(found) == bits(np.array([uncompiled.py_func(x) for x in numbers], np.float64))
    for number, logarithm in zip(numbers, found.tolist(), strict=True):
        assert logarithm == pytest.approx(math.log(number), rel=2**-50, abs=0)


@settings(deadline=None)
@given(st.lists(st.integers(1, 2**63 - 1), max_size=50), st.sampled_from([0, 20, 40]))
def test_log_fixed_is_rounded_to_the_nearest_unit(numbers: list[int], places: int) -> None:
    """The logarithm of any positive whole number of units is off by half a unit at most."""
    found = log_fixed(np.array(numbers, np.int64), places)
    for number, logarithm in zip(numbers, found.tolist(), strict=True):
        exact = math.log(number) - places * math.log(2)
        assert abs(logarithm - exact * ONE) <= ROUNDED


@pytest.mark.parametrize("number", [0, -1, -(2**63)])
def test_what_has_no_logarithm_is_refused(number: int) -> None:
    """One number that is not positive among others is refused, not made up."""
    with pytest.raises(ValueError, match="not positive"):
        log_fixed(np.array([ONE, number], np.int64))


def test_units_are_spread_over_the_unit_interval() -> None:
    """Numbers for 20,000 texts lie in [0, 1), as many in each tenth, and hang on seed and text."""
    found = np.array([unit(SEED, f"arm {number}") for number in range(20_000)])
    assert found.min() >= 0
    assert found.max() < 1
    counts = np.bincount((found * 10).astype(int), minlength=10)
    assert np.abs(counts - 2_000).max() < 4.5 * math.sqrt(20_000 * 0.1 * 0.9)
    assert unit(SEED, "arm 0") not in {found[1], unit(SEED[:15], "arm 0")}


def order(log_weights: Fixed, offers: list[str], temperature: float) -> list[str]:
    """Return offers in the order that exploration gives them."""
    found = explored(log_weights, gumbels(SEED, offers, "policy", 1), temperature)
    return [offers[at] for at in np.argsort(-found, kind="stable")]


@settings(deadline=None)
@given(
    st.lists(st.integers(-(2**25), 2**25), min_size=1, max_size=40),
    st.sets(st.integers(0, 39)),
    st.sampled_from([0.0, 0.01, 0.5, 3.0]),
)
def test_a_channel_that_shows_less_shows_it_in_the_same_order(
    weights: list[int], withheld: set[int], temperature: float
) -> None:
    """What is drawn among fewer offers stands in the order that it has among all."""
    kept = [at for at in range(len(weights)) if at not in withheld]
    every = order(np.array(weights, np.int64), OFFERS[: len(weights)], temperature)
    some = order(
        np.array([weights[at] for at in kept], np.int64), [OFFERS[at] for at in kept], temperature
    )
    assert some == [offer for offer in every if OFFERS.index(offer) not in withheld]


def test_no_temperature_means_no_noise() -> None:
    """Without temperature the log weights stay as they are, and with it each moves by its draw."""
    weights = np.arange(200, dtype=np.int64)
    noise = gumbels(SEED, OFFERS, "policy", 1)
    assert explored(weights, noise, 0.0).tolist() == weights.tolist()
    assert explored(weights, noise, 1.0).tolist() == (weights + noise).tolist()
