"""Propensities: the exact probability that a slate drawn with seeded noise shows an offer.

Log weight plus temperature times a Gumbel draw, in descending order, is the order in which
exponential clocks of rates exp(log weight / temperature) ring. An offer is shown when, at the
moment it rings, the slate has a place left and no rule withholds it. Given the moment, others have
rung or not independently of one another, so the number of places taken is a sum of independent
zeros and ones, exact by dynamic programming; the integral over the moment is by Gauss and
Legendre's rule on panels that follow the clocks still to ring. Offers led by the same item are one
clock of the sum of their rates: the first is shown, and is each of them with its share. Of a class
that a rule limits to n, the first n to ring are shown, so it takes min(n, rung) places.

Only operations that IEEE 754 rounds exactly are used, in the order written, so a propensity is the
same on every machine.
"""

from dataclasses import dataclass
from decimal import Decimal
from math import floor, sqrt

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Doubles, Fixed, Rows
from models.numeric.compiled import compiled
from models.numeric.draws import log
from models.numeric.fixed import scale

PLACES = 30
FREE = 0  # the class of offers that no rule limits

# Gauss and Legendre's rule of 16 points on [-1, 1]: the points above 0, and their weights.
_POINTS = np.array(
    [
        *(0.09501250983763744, 0.2816035507792589, 0.45801677765722737, 0.6178762444026438),
        *(0.755404408355003, 0.8656312023878318, 0.9445750230732326, 0.9894009349916499),
    ]
)
_WEIGHTS = np.array(
    [
        *(0.1894506104550685, 0.18260341504492358, 0.16915651939500254, 0.14959598881657674),
        *(0.12462897125553388, 0.09515851168249279, 0.062253523938647894, 0.027152459411754096),
    ]
)
_NODES = 0.5 + 0.5 * np.concatenate([-_POINTS[::-1], _POINTS])  # on [0, 1], ascending
_SHARES = 0.5 * np.concatenate([_WEIGHTS[::-1], _WEIGHTS])

# A number is cut into whole steps of ln 2 / 64, whose exponentials are in tables, and a rest.
_STEP_BITS = 6
_STEPS = 2**_STEP_BITS  # of a halving
_STEPS_PER_E = _STEPS * 1.4426950408889634
_STEP_HIGH = 0.6931471803691238 / _STEPS  # 20 trailing zero bits: times a count it is exact
_STEP_LOW = 1.9082149292705877e-10 / _STEPS
_POWERS = 0.5 ** np.arange(1023)
_PARTS = np.array([float(Decimal(2) ** (Decimal(-step) / _STEPS)) for step in range(_STEPS)])
_HALF, _SIXTH, _24TH, _120TH = 1 / 2, 1 / 6, 1 / 24, 1 / 120  # of the series: its terms vanish fast
_VANISHED = 708.0  # exp of less is not a normal number
_NEVER = 2.0**-54  # 1 - exp of less is 0
_RUNG = 32.0  # a clock that was to ring 32 times by now has rung, but for one in 10^14
_NEGLIGIBLE = 2.0**-38


@dataclass(frozen=True)
class Contest:
    """The offers that compete for the places of one slate; arrays are (n,) unless said.

    `log_weights` are in units of 2^-20. Of offers with the same number in `leads` one is shown at
    most. `later` offers stand below all others. `classes` (f, n) holds for each rule of diversity
    the offer's value, numbered from 0, or -1; a slate shows at most `limits` (f,) of a value.
    """

    log_weights: Fixed
    leads: Rows
    later: NDArray[np.bool_]
    classes: NDArray[np.int64]
    limits: tuple[int, ...]


def propensities(contest: Contest, temperature: float, places: int, wanted: Rows) -> Doubles | None:
    """Return the probability that a slate of `places` shows each of `wanted` (m,) positions.

    Over all draws, not given what else is shown. Rounded to 2^-30, and never 0 for an offer that
    can be shown. Without noise those shown, which `wanted` must be then, have 1. None: the rules
    overlap so that no exact form is known, as when an offer is in two classes that can be full.
    Raises `ValueError` for a rule that allows none.
    """
    if any(limit < 1 for limit in contest.limits):
        raise ValueError("a rule of diversity allows no offer at all")
    if scale(temperature) == 0:
        return np.ones(len(wanted))
    bound = _bound(contest, places)
    if bound is None:
        return None
    classes, room = bound
    weights = (contest.log_weights - contest.log_weights.max(initial=0)) / scale(temperature)
    leads, first = contest.leads, ~contest.later
    found = np.zeros(len(wanted))
    for tier in (first, contest.later & ~np.isin(leads, leads[first])):
        kept = np.flatnonzero(tier & (room[classes] > 0))
        clocks = _clocks(weights[kept], leads[kept], classes[kept])
        asked = np.flatnonzero(np.isin(wanted, kept))
        found[asked] = _probabilities(clocks, room, np.searchsorted(kept, wanted[asked]))
        room = _left(clocks, room)
    return found


def _bound(contest: Contest, places: int) -> tuple[Rows, Rows] | None:
    """Return the class of each offer (n,), and the room of each class.

    A class is a value of a rule that has more leads than it may show; `FREE` holds all other offers
    and has room for every place. None where an offer, or two with the same lead, are in several.
    """
    classes, room = np.full(len(contest.leads), FREE), [places]
    names, leads = np.unique(contest.leads, return_inverse=True)
    for values, limit in zip(contest.classes, contest.limits, strict=True):
        if limit >= places:
            continue
        pairs = np.unique(values[values >= 0] * len(names) + leads[values >= 0])
        full = np.bincount(pairs // max(1, len(names)), minlength=1) > limit
        members = (values >= 0) & full[np.maximum(values, 0)]
        if (classes[members] != FREE).any():
            return None
        classes[members] = (len(room) - 1 + np.cumsum(full))[values[members]]
        room += [limit] * int(full.sum())
    of_lead = np.zeros(len(names), np.int64)
    of_lead[leads] = classes
    return (classes, np.array(room, np.int64)) if (of_lead[leads] == classes).all() else None


@dataclass(frozen=True)
class _Clocks:
    """One clock for each lead (g,): the logarithm of its rate, and its class.

    `of` (n,) is the clock of each offer, and `shares` (n,) how probable it is that the clock, when
    it rings, rings for this offer.
    """

    log_rates: Doubles
    classes: Rows
    of: Rows
    shares: Doubles


def _clocks(weights: Doubles, leads: Rows, classes: Rows) -> _Clocks:
    """Return the clocks of offers, given the logarithms of their rates."""
    _, first, of = np.unique(leads, return_index=True, return_inverse=True)
    log_rates, shares = _merged(weights, of, len(first))
    return _Clocks(log_rates, classes[first], of, shares)


def _left(clocks: _Clocks, room: Rows) -> Rows:
    """Return the room of each class once all clocks have rung."""
    taken = np.minimum(room, np.bincount(clocks.classes, minlength=len(room)))
    left = room - taken
    left[FREE] = max(0, room[FREE] - int(taken.sum()))
    bounded: Rows = np.minimum(left, left[FREE])
    return bounded


def _probabilities(clocks: _Clocks, room: Rows, wanted: Rows) -> Doubles:
    """Return the probability that each of `wanted` offers is shown, in whole units of 2^-30."""
    asked, back = np.unique(clocks.of[wanted], return_inverse=True)
    counts = np.bincount(clocks.classes, minlength=len(room))
    if (counts <= room).all() and counts.sum() <= room[FREE]:
        shown = np.ones(len(asked))
    else:
        shown = _shown(clocks.log_rates, clocks.classes, room, asked, _NODES, _SHARES)
    units = np.floor(shown[back] * clocks.shares[wanted] * 2.0**PLACES + 0.5)
    return np.clip(units, 1.0, 2.0**PLACES) * 2.0**-PLACES


@compiled("float64(float64)")
def _exp(number: float) -> float:
    """Return the exponential of a number that is not positive: relative error below 1e-15.

    0 for what is below the normal numbers.
    """
    if number < -_VANISHED:
        return 0.0
    steps = floor(0.5 - number * _STEPS_PER_E)
    rest = (number + steps * _STEP_HIGH) + steps * _STEP_LOW
    series = rest * (_HALF + rest * (_SIXTH + rest * (_24TH + rest * _120TH)))
    part = _PARTS[steps & (_STEPS - 1)]
    return float(_POWERS[steps >> _STEP_BITS] * (part + part * (rest + rest * series)))


@compiled("Tuple((float64[::1], float64[::1]))(float64[::1], int64[::1], int64)")
def _merged(weights: Doubles, of: Rows, clocks: int) -> tuple[Doubles, Doubles]:
    """Return the logarithm of each clock's rate, and the share of each offer in that of its own."""
    highest, sums = np.full(clocks, -np.inf), np.zeros(clocks)
    for i in range(of.size):
        highest[of[i]] = max(highest[of[i]], weights[i])
    for i in range(of.size):
        sums[of[i]] += _exp(weights[i] - highest[of[i]])
    shares = np.empty(of.size)
    for i in range(of.size):
        shares[i] = _exp(weights[i] - highest[of[i]]) / sums[of[i]]
    for clock in range(clocks):
        highest[clock] += log(sums[clock])
    return highest, shares


@compiled("void(float64[:,::1], int64)")
def _begin(taken: Doubles, places: int) -> None:
    """Say that so many places are taken for sure: of `taken` (counts, p) that row is 1, else 0."""
    for count in range(len(taken)):
        for x in range(taken.shape[1]):
            taken[count, x] = 1.0 if count == places else 0.0


@compiled("void(float64[::1], float64[::1])")
def _copy(source: Doubles, target: Doubles) -> None:
    for x in range(source.size):
        target[x] = source[x]


@compiled("void(float64[:,::1], float64[::1], int64)")
def _ring(taken: Doubles, rung: Doubles, limit: int) -> None:
    """Add one clock, rung with probability `rung` (p,), to what its class has taken.

    `taken` (limit + 1, p) are the probabilities of 0, 1, ... limit places; no more are taken.
    """
    for x in range(rung.size):
        taken[limit, x] += taken[limit - 1, x] * rung[x]
    for count in range(limit - 1, 0, -1):
        for x in range(rung.size):
            taken[count, x] = taken[count, x] * (1.0 - rung[x]) + taken[count - 1, x] * rung[x]
    for x in range(rung.size):
        taken[0, x] *= 1.0 - rung[x]


@compiled("void(float64[:,::1], float64[:,::1], int64)")
def _join(total: Doubles, taken: Doubles, limit: int) -> None:
    """Add the places that a class has taken (limit + 1, p) to `total` (places, p)."""
    for count in range(len(total) - 1, -1, -1):
        for x in range(total.shape[1]):
            total[count, x] *= taken[0, x]
        for more in range(1, min(limit, count) + 1):
            for x in range(total.shape[1]):
                total[count, x] += total[count - more, x] * taken[more, x]


@compiled(
    "float64[::1](float64[::1], int64[::1], int64[::1], int64[::1], float64[::1], float64[::1])"
)
def _shown(
    log_rates: Doubles, classes: Rows, room: Rows, asked: Rows, nodes: Doubles, shares: Doubles
) -> Doubles:
    """Return the probability that each of `asked` clocks (ascending) rings while it is let in.

    `room` (c,) of class `FREE` is the number of places; no class has room for more. `nodes` and
    `shares` (p,) are the points and weights of a panel. As arguments, and in loops instead of
    expressions: a size known when it is compiled is unrolled, and takes minutes instead of seconds.
    """
    places, points, half = room[FREE], nodes.size, nodes.size // 2
    number = np.full(log_rates.size, -1)
    has_asked = np.zeros(room.size, np.bool_)
    for i in range(asked.size):
        number[asked[i]] = i
        has_asked[classes[asked[i]]] = True
    found = np.zeros(asked.size)
    rates, gone = np.zeros(log_rates.size), np.zeros(log_rates.size, np.bool_)
    rung_by_now = np.zeros(room.size, np.int64)  # of those that are not asked for
    unasked = np.empty((room.size, room.max() + 1, points))
    every = np.empty_like(unasked)
    own = np.empty((room.max() + 1, points))
    rung = np.empty((asked.size, points))
    one = np.empty(points)
    rest, others = np.empty((places, points)), np.empty((places, points))
    # The more places there are, the more sharply the moment is set at which they are full.
    growth, start = min(2.0, 5.0 / sqrt(places)), min(8.0, max(1.0, places / 2))
    now, top = 0.0, log_rates.max()
    while True:
        # Time is counted in units of the quickest clock still to ring.
        quickest = -np.inf
        for j in range(log_rates.size):
            if not gone[j]:
                quickest = max(quickest, log_rates[j])
        now *= _exp(quickest - top)
        top, total = quickest, 0.0
        for j in range(log_rates.size):
            rates[j] = 0.0 if gone[j] else _exp(log_rates[j] - top)
            total += rates[j]
        length = max(growth * now, start / total)
        for group in range(room.size):
            _begin(unasked[group], min(rung_by_now[group], room[group]))
        for j in range(log_rates.size):
            # Most have rung for sure, or cannot be told from none at all.
            if number[j] < 0 and (gone[j] or rates[j] * (now + length) < _NEVER):
                continue
            middle = _exp(-rates[j] * (now + length * 0.5))
            for x in range(half):
                # Nodes lie symmetrically, so one exponential serves two of them.
                away = _exp(-rates[j] * length * (nodes[half + x] - 0.5))
                one[half - 1 - x] = 1.0 if gone[j] else 1.0 - middle / away
                one[half + x] = 1.0 if gone[j] else 1.0 - middle * away
            if number[j] >= 0:
                _copy(one, rung[number[j]])
            else:
                _ring(unasked[classes[j]], one, room[classes[j]])
        _copy(unasked.reshape(-1), every.reshape(-1))
        for i in range(asked.size):
            group = classes[asked[i]]
            _ring(every[group], rung[i], room[group])
        _begin(rest, 0)
        for group in range(room.size):
            if not has_asked[group]:
                _join(rest, every[group], room[group])
        open_ = 0.0
        for i in range(asked.size):
            group = classes[asked[i]]
            _copy(rest.reshape(-1), others.reshape(-1))
            for other in range(room.size):
                if has_asked[other] and other != group:
                    _join(others, every[other], room[other])
            for count in range(1, places):
                for x in range(points):
                    others[count, x] += others[count - 1, x]
            _copy(unasked[group].reshape(-1), own.reshape(-1))
            for other in range(asked.size):
                if other != i and classes[asked[other]] == group:
                    _ring(own, rung[other], room[group])
            let_in = 0.0
            for x in range(points):
                let_in = 0.0
                for count in range(room[group]):
                    let_in += own[count, x] * others[places - 1 - count, x]
                let_in *= 1.0 - rung[i, x]
                found[i] += length * rates[asked[i]] * shares[x] * let_in
            open_ = max(open_, let_in)
        # What is still to come is at most what is open.
        if open_ < _NEGLIGIBLE:
            return found
        now += length
        for j in range(log_rates.size):
            if not gone[j] and rates[j] * now > _RUNG:
                gone[j] = True
                rung_by_now[classes[j]] += number[j] < 0
