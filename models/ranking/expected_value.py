"""What an offer is worth beside its rate: value x lever, as logarithms in units of 2^-20.

The ranking is by rate x value x lever, so by the sum of their logarithms. A value counts only where
the rate is that of a response: times an organic rate, money is no expected value.
"""

import numpy as np

from models.domain.catalogue import Money
from models.domain.exchange import Exchange
from models.numeric.array_types import Fixed, Rows
from models.numeric.draws import log_fixed
from models.policy.schema import Lever, Policy
from models.ranking.offer_index import OfferIndex
from models.release.manifest import RESPONSE

_MICROS = 1_000_000
_MOST = 2**62  # micro-units: what is worth more counts as this
_LEAST = 1  # micro-units: what is worth nothing or less stands below all that is worth something


def counts_value(policy: Policy, label: str) -> bool:
    """Tell whether the ranking is by expected value, under a release of that label."""
    return policy.arbitration.value and label == RESPONSE


def value_terms(
    index: OfferIndex,
    policy: Policy,
    label: str,
    intent: str,
    minute: int,
    exchange: Exchange,
    rows: Rows,
) -> Fixed:
    """Return what multiplies the rate of each of `rows`, as a logarithm; 0 where nothing does.

    Values are in units of the currency of `exchange`; an unknown one counts as `value_unknown`, and
    as one unit where the policy says none or one that is unknown itself.
    """
    found = np.zeros(len(rows), np.int64)
    if counts_value(policy, label):
        unknown = policy.arbitration.value_unknown
        found += log_fixed(_micros(index, unknown, exchange, rows), places=0) - _LOG_MICRO
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


def _micros(index: OfferIndex, unknown: Money | None, exchange: Exchange, rows: Rows) -> Fixed:
    """Return the value of each row in millionths of a unit."""
    default = _micro(unknown, exchange) or _MICROS
    found = np.empty(len(rows), np.int64)
    for at, row in enumerate(rows.tolist()):
        value = index.amounts.value(row)
        if exchange.bare and unknown and value and value.currency != unknown.currency:
            value = None
        found[at] = _micro(value, exchange) or default
    return found


def _micro(money: Money | None, exchange: Exchange) -> int | None:
    """Return an amount in millionths of a unit, at least one; None where it is not known."""
    nanos = exchange.nanos(money)
    return None if nanos is None else max(_LEAST, min(nanos // 1000, _MOST))


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)


_LOG_MICRO = int(log_fixed(np.array([_MICROS], np.int64), places=0)[0])
