"""What an offer is worth beside its rate: value x lever, as logarithms in units of 2^-20.

The ranking is by rate x value x lever, so by the sum of their logarithms. A value counts only where
the rate is that of a response: times an organic rate, money is no expected value.
"""

import numpy as np

from models.domain.catalogue import Money
from models.numeric.array_types import Fixed, Rows
from models.numeric.draws import log_fixed
from models.policy.schema import Lever, Policy
from models.ranking.offer_index import OfferIndex
from models.release.manifest import RESPONSE

_MICROS = 1_000_000
_LEAST = 1  # micro-units: what is worth nothing or less stands below all that is worth something


def counts_value(policy: Policy, label: str) -> bool:
    """Tell whether the ranking is by expected value, under a release of that label."""
    return policy.arbitration.value and label == RESPONSE


def value_terms(
    index: OfferIndex, policy: Policy, label: str, intent: str, minute: int, rows: Rows
) -> Fixed:
    """Return what multiplies the rate of each of `rows`, as a logarithm; 0 where nothing does."""
    found = np.zeros(len(rows), np.int64)
    if counts_value(policy, label):
        unknown = policy.arbitration.value_unknown
        found += log_fixed(_micros(index, unknown, rows), places=0) - _LOG_MICRO
    for lever in policy.levers:
        if in_force(lever, intent, minute):
            found[index.selections.mask(lever.about)[rows]] += log_factor_of(lever.factor)
    return found


def in_force(lever: Lever, intent: str, minute: int) -> bool:
    """Tell whether a lever counts for an intent at `minute` (microseconds)."""
    if lever.intents and intent not in lever.intents:
        return False
    if lever.since is not None and minute < _microseconds(lever.since.timestamp()):
        return False
    return minute < _microseconds(lever.until.timestamp())


def log_factor_of(factor: float) -> int:
    """Return the logarithm of a lever's factor, in units of 2^-20."""
    micros = np.array([max(_LEAST, round(factor * _MICROS))], np.int64)
    return int(log_fixed(micros, places=0)[0]) - _LOG_MICRO


def _micros(index: OfferIndex, unknown: Money | None, rows: Rows) -> Fixed:
    """Return the value of each row in millionths of a unit."""
    catalogue = index.catalogue
    found = np.empty(len(rows), np.int64)
    default = _MICROS if unknown is None else _micro(unknown)
    for at, row in enumerate(rows.tolist()):
        offer = catalogue.offer(index.rows.ids[row])
        value = None if offer is None else offer.value
        if value is None or (unknown is not None and value.currency != unknown.currency):
            found[at] = default
        else:
            found[at] = _micro(value)
    return found


def _micro(money: Money) -> int:
    return max(_LEAST, money.units * _MICROS + money.nanos // 1000)


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


_LOG_MICRO = int(log_fixed(np.array([_MICROS], np.int64), places=0)[0])
