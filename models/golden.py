"""Golden requests: synthetic customers, and the items a release must rank first for them.

They are answered by exact full scoring, without FAISS, catalogue or policy, so a release gives the
very same numbers wherever it is loaded; other numbers mean that it was not loaded as it was made.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from models.embeddings import place_customer
from models.errors import BadRelease
from models.events import BROWSE
from models.features import DAY
from models.fixed import dot, to_fixed
from models.profile import Entry, View
from models.release import GOLDEN, Golden, GoldenEvent, Release


def answer_golden(
    release: Release, history: Sequence[GoldenEvent], attributes: Mapping[str, str], most: int
) -> tuple[tuple[str, int], ...]:
    """Return the `most` items that `release` ranks first for a synthetic customer, with scores.

    An act `step` acts before the newest is that many days old. Scores are in units of 2^-20; equal
    ones stand in the order of the release's items.
    """
    entries = [
        Entry(1, -event.step * DAY, at, event.type, event.channel, event.item, "")
        for at, event in enumerate(history)
    ]
    view = View({BROWSE: tuple(sorted(entries))}, attributes)
    customer = place_customer(view, release, 0)
    if customer.cold:
        table = release.popularity_fixed[customer.segments].astype(np.int64)
        scores = table.sum(axis=0) // len(customer.segments)
    else:
        every = np.arange(len(release.items))
        scores = dot(to_fixed(release.vectors), every, customer.vector) + customer.bias
    order = np.argsort(-scores, kind="stable")[:most]
    return tuple((release.items[row], int(scores[row])) for row in order)


def check_golden(release: Release, golden: Golden) -> None:
    """Raise `BadRelease` unless `release` answers `golden` as it must."""
    answered = answer_golden(release, golden.history, golden.attributes, len(golden.expected))
    if answered != golden.expected:
        raise BadRelease(f"{GOLDEN}: a golden request is answered otherwise")
