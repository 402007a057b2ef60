"""Recorded propensities against draws: how often people who are alike are shown each offer."""

import math
from collections import Counter

import msgspec
import pytest
from scipy.stats import binom

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.catalogue import Money
from models.domain.decisions import Request
from models.domain.selectors import Selector
from models.numeric.propensity import PLACES
from models.policy.schema import (
    Arbitration,
    AtMost,
    CandidateCounts,
    Eligibility,
    Exploration,
    Policy,
)
from tests.support.decisions import NOW, event, index, profile
from tests.support.proof_table import LONG, Proof

PERSON = profile(event("view", "item3"), event("add_to_cart", "item8"), event("purchase", "item5"))
ODD = Eligibility(
    name="odd",
    about=Selector(features={"category": ("a",)}),
    channels=("email",),
    bar=True,
)
ANY = Policy(exploration=Exploration(temperature=0.5))
CASES = {
    "any channel": (Request(channel="web", count=5), ANY),
    "a channel that shows half": (
        Request(channel="email", count=5),
        msgspec.structs.replace(ANY, eligibility=(ODD,)),
    ),
    "a request that leaves seven": (
        Request(channel="till", count=3, include=tuple(f"item:item{n}" for n in range(10, 17))),
        ANY,
    ),
    "two of a category": (
        Request(channel="app", count=4),
        msgspec.structs.replace(ANY, diversity=(AtMost(feature="category", limit=2),)),
    ),
    "an appended tier": (
        Request(channel="email", count=6),
        msgspec.structs.replace(
            ANY, eligibility=(ODD,), candidates=CandidateCounts(items=8, sets=1)
        ),
    ),
    "by value, hot": (
        Request(channel="web", count=10),
        Policy(
            exploration=Exploration(temperature=2.0),
            arbitration=Arbitration(value_unknown=Money("EUR", 2, 0)),
        ),
    ),
}
FALSE_ALARM = 1e-3  # of all offers of a case together


@pytest.mark.parametrize("draws", [1_000, pytest.param(100_000, marks=LONG)])
@pytest.mark.parametrize("case", CASES)
def test_propensities_are_how_often_an_offer_is_shown(proof: Proof, case: str, draws: int) -> None:
    """Of many people who differ by their draws only, an offer's propensity are shown it."""
    request, policy = CASES[case]
    # Stage one alone proposes as few as the policy says: below them there are others to append.
    world = SharedInputs(index(ranked=policy.candidates == ANY.candidates), policy)
    shown: Counter[str] = Counter()
    said: dict[str, float] = {}
    tiers: Counter[int] = Counter()
    for number in range(draws):
        who = number.to_bytes(16, "big")
        (known,) = PERSON.compartments.values()
        person = msgspec.structs.replace(PERSON, customer=who, compartments={who: known})
        slate = decide(person, world, request, NOW).slate
        assert len(slate) == request.count
        for place in slate:
            shown[place.offer] += 1
            tiers[place.tier] += 1
            # All contests are the same one, so each record says the same of an offer.
            assert said.setdefault(place.offer, place.propensity) == place.propensity
    assert (tiers[1] > 0) == (case == "an appended tier")
    assert sum(said.values()) <= request.count + len(said) * 2.0**-PLACES
    level = FALSE_ALARM / len(said) / 2
    worst = 0.0
    for offer, propensity in said.items():
        low, high = (binom.ppf(at, draws, propensity) for at in (level, 1 - level))
        assert low <= shown[offer] <= high, (offer, propensity, shown[offer] / draws)
        spread = math.sqrt(propensity * (1 - propensity) / draws)
        if spread:
            worst = max(worst, abs(shown[offer] / draws - propensity) / spread)
    # What was never drawn has next to none of the places.
    assert request.count - sum(said.values()) < 100 / draws
    proof(
        "propensities are what is drawn",
        f"{case}: {draws:,} draws of {request.count} places, {len(said)} offers seen, "
        f"{tiers[1]:,} places of tier 1",
        f"each within its binomial interval ({1 - FALSE_ALARM:.1%} together); the farthest by "
        f"{worst:.1f} standard deviations",
    )
