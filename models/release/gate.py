"""The gate of a promotion: a release that was measured to be worse than the one in force is held.

Both were measured on the same cases, so leads are paired. With many slices one of them looks worse
by chance alone; the level of each test is divided by their number (Bonferroni), so that an equal
release is held at most once in twenty times.
"""

from collections.abc import Sequence
from statistics import NormalDist

import msgspec

from models.errors import Held
from models.release.manifest import RESPONSE

GATED = ("recall@10", "ndcg@10", "auc")
LEVEL = 0.05
LEAST_CASES = 30  # of a slice: fewer say nothing
_WIDTH = 2 * NormalDist().inv_cdf(0.975)  # of a 95 % interval, in standard errors


class Lead(msgspec.Struct, frozen=True, kw_only=True):
    """By how much a release leads the other one on `n` cases of a slice, with its 95 % interval.

    `mine` and `theirs` are the values of `metric` that it is the difference of.
    """

    metric: str
    slice: str
    n: int
    mine: float
    theirs: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.metric}, {self.slice}: {self.mine:.4f} against {self.theirs:.4f} in force "
            f"({self.mine - self.theirs:+.4f} [{self.low:+.4f}, {self.high:+.4f}], "
            f"{self.n:,} cases)"
        )


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two releases on the same cases: `release` against `other`, which was in force; both ids."""

    release: str
    other: str
    leads: tuple[Lead, ...]


def check_label(label: str, in_force: str) -> None:
    """Raise `Held` for a release that could not weigh offers by their value, as the present one."""
    if in_force == RESPONSE != label:
        raise Held(
            f"gate label: {label} against {in_force} in force, so values would no longer count; "
            "a reason overrides"
        )


def check_gate(comparison: Comparison | None) -> None:
    """Raise `Held` for a release that is worse on a slice, or that was not compared."""
    if comparison is None:
        raise Held(
            "gate: not compared with the release in force; train it again, or give a reason "
            "to override"
        )
    worse = worst(comparison.leads)
    if worse is not None:
        raise Held(f"gate {worse}; a reason overrides")


def worst(leads: Sequence[Lead]) -> Lead | None:
    """Return the lead that is most surely below zero, where one is; the slices are tested at once.

    A lead is taken as normal, its standard error from its interval.
    """
    tested = [lead for lead in leads if lead.metric in GATED and lead.n >= LEAST_CASES]
    if not tested:
        return None
    level = LEVEL / len(tested)
    chances = [(_chance(lead), lead) for lead in tested]
    chance, lead = min(chances, key=lambda found: found[0])
    return lead if chance < level else None


def _chance(lead: Lead) -> float:
    """Return the chance of so low a lead by the draw of cases, for releases that are equal."""
    error = (lead.high - lead.low) / _WIDTH
    value = lead.mine - lead.theirs
    if error <= 0:
        return 0.0 if value < 0 else 1.0
    return NormalDist().cdf(value / error)
