"""Reads and replaces stored customers: a write counts only if nobody was faster.

Who lost a race reads again and tries again: `recording`, `linking`, `unlinking` and the decider do.
"""

import random
import time
from collections.abc import Sequence
from math import inf

from msgspec.structs import replace

from models.codec import encode
from models.domain.profile import Forward, Profile, decode_customer
from models.errors import StoreUnavailable
from service.store.database.backend import Backend, CustomerWrite, LogLine, OutOfTime

ATTEMPTS = 100  # lost races before giving up; each one means that somebody else got through
LONGEST_PAUSE = 0.02  # seconds


def back_off(attempt: int, left: float = inf) -> None:
    """Wait a little after a lost race, jittered, the longer the more were lost.

    Raises `OutOfTime` where the caller has not even that many seconds `left`.
    """
    pause = random.uniform(0.0, min(LONGEST_PAUSE, 0.001 * (attempt + 1)))
    if pause >= left:
        raise OutOfTime("customer: other writes came first; send it again")
    time.sleep(pause)


def too_many_writers(verb: str) -> StoreUnavailable:
    """Return the error of a call that lost every race."""
    return StoreUnavailable(f"{verb}: too many writers at once; send it again")


def read_customer(backend: Backend, customer: bytes) -> Profile | Forward | None:
    """Return what is stored under a customer's key; raises `StoreUnavailable`."""
    blob = backend.get(customer)
    return None if blob is None else decode_customer(blob)


def replace_profile(
    backend: Backend,
    before: Profile,
    after: Profile,
    lines: Sequence[LogLine] = (),
    newer_than: int = 0,
) -> bool:
    """Replace `before` by the next version and log `lines`, unless somebody else was first.

    The next version is greater than `newer_than`, too.
    """
    after = replace(after, version=max(before.version, newer_than) + 1)
    blob = encode(after, after.version)
    return backend.write([CustomerWrite(before.customer, before.version, blob, tuple(lines))])[0]


def forward_write(customer: bytes, expected: int, to: bytes, *lines: LogLine) -> CustomerWrite:
    """Return the write that leaves a forward in the place of what has version `expected`."""
    forward = Forward(customer=customer, version=expected + 1, to=to)
    return CustomerWrite(customer, expected, encode(forward, forward.version), lines)
