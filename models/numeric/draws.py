"""Seeded draws: the noise that exploration adds to log scores, and the arms of a holdout.

A draw is a keyed hash, so that the same person, offer, policy and time bucket give the same draw on
every channel and in every replay. The C library's logarithm differs between machines in its last
bits; the one here uses only operations that IEEE 754 rounds exactly, in the order written.
"""

import hashlib
from collections.abc import Sequence
from math import floor, frexp

import numpy as np
from numpy.typing import NDArray

from models.numeric.array_types import Doubles, Fixed
from models.numeric.compiled import compiled
from models.numeric.fixed import BITS, ONE, scale

_Hashes = NDArray[np.uint64]

LN_2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_DIGEST = 8  # bytes of a hash
_HALF = ONE // 2


def gumbels(seed: bytes, offers: Sequence[str], policy: str, bucket: int) -> Fixed:
    """Return a standard Gumbel draw for each offer id (n,), in units of 2^-20.

    `seed` is the person's, at most 64 bytes; `policy` is the digest in force, `bucket` the number
    of the time bucket. Offer j comes before offer i in the order by log weight plus temperature
    times draw as in the model of Plackett and Luce. A draw is between -3.7 and 36.8, and rounded
    once: off by half a unit, and by 1e-14 where that decides which unit is nearest. Raises
    `ValueError` for a longer seed.
    """
    start = hashlib.blake2b(digest_size=_DIGEST, key=seed, person=b"gumbel")
    name = policy.encode()
    start.update(len(name).to_bytes(4, "little") + name + bucket.to_bytes(8, "little", signed=True))
    hashes = []
    for offer in offers:
        state = start.copy()
        state.update(offer.encode())
        hashes.append(state.digest())
    # Of a bytearray, for compiled code takes no array that may not be written.
    return _gumbels(np.frombuffer(bytearray(b"".join(hashes)), np.dtype("<u8")))


def explored(log_weights: Fixed, draws: Fixed, temperature: float) -> Fixed:
    """Return log weights (n,) plus `temperature` times `draws` (n,), in units of 2^-20.

    The temperature is rounded to such a unit first. Draws are a lattice of that unit, so two offers
    tie once in 4 million x temperature times: keep it above .01.
    """
    return log_weights + ((draws * scale(temperature) + _HALF) >> BITS)


def unit(seed: bytes, text: str) -> float:
    """Return a number in [0, 1), a multiple of 2^-53; `seed` is of at most 64 bytes."""
    found = hashlib.blake2b(text.encode(), digest_size=_DIGEST, key=seed, person=b"unit").digest()
    return float((int.from_bytes(found, "little") >> 11) * 2.0**-53)


def log_fixed(values: Fixed, places: int = BITS) -> Fixed:
    """Return natural logarithms (n,), in units of 2^-20, of positive numbers in units of 2^-places.

    Rounded to the nearest unit, as draws are. Raises `ValueError` where a number is not positive.
    """
    if (values <= 0).any():
        raise ValueError("no logarithm: a number is not positive")
    return _rounded(logs(values.astype(np.float64)) - places * LN_2)


@compiled("float64(float64)")
def log(number: float) -> float:
    """Return the natural logarithm of a positive finite number: relative error below 1e-15.

    number = 2^e f with f next to 1, and ln f = 2 artanh((f - 1) / (f + 1)), by its series.
    """
    fraction, exponent = frexp(number)
    if fraction < _SQRT_HALF:
        fraction *= 2.0
        exponent -= 1
    s = (fraction - 1.0) / (fraction + 1.0)
    square = s * s
    series = 0.0
    for odd in range(21, 1, -2):
        series = (series + 1.0 / odd) * square
    return exponent * LN_2 + 2.0 * (s + s * series)


@compiled("float64[::1](float64[::1])")
def logs(numbers: Doubles) -> Doubles:
    """Return natural logarithms (n,) of positive finite numbers, the same on every machine."""
    found = np.empty(numbers.size)
    for i in range(numbers.size):
        found[i] = log(numbers[i])
    return found


@compiled("int64[::1](float64[::1])")
def _rounded(numbers: Doubles) -> Fixed:
    found = np.empty(numbers.size, np.int64)
    for i in range(numbers.size):
        found[i] = np.int64(floor(numbers[i] * ONE + 0.5))
    return found


@compiled("int64[::1](uint64[::1])")
def _gumbels(hashes: _Hashes) -> Fixed:
    """Return -ln(-ln u), rounded, of u = (2 m + 1) / 2^53, m the upper 52 bits of each hash.

    Such a u is exact, never 0 or 1, and as likely as 1 - u.
    """
    found = np.empty(hashes.size, np.int64)
    for i in range(hashes.size):
        odd = np.int64(hashes[i] >> np.uint64(12)) * 2 + 1
        draw = -log(-log(odd * 2.0**-53))
        found[i] = np.int64(floor(draw * ONE + 0.5))
    return found
