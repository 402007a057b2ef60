"""Facts: what rules still need of the events that a lane has let go of.

A lane is bounded by number, so that what the model reads stays small; what a rule of a policy rests
on must hold until its term ends, however much happens meanwhile. So an event that falls out of its
lane leaves a fact: when it was, and what of. Facts are bounded by type, so that no traffic of
one type pushes out those of another, and within a type by what they are of (channel, item, offer;
of a message its decision): the latest `DEPTH` of each are kept, fewer of each where the type has no
room for so many, and where there is no room for one of each, those of the latest.

So the latest of anything is lost last, and what is kept depends on the events alone, not on the
order in which they arrive: every bound only ever tightens, and what one lets go of is older than
all that it keeps of the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from models.domain.entry import Entry
from models.domain.event_types import EVENT_TYPES, FEW, SENT

DEPTH = 50  # facts of the same thing


class Facts(msgspec.Struct, frozen=True, array_like=True):
    """What one lane let go of: `entries` in canonical order.

    `depths` says of each type for which there was no room for `DEPTH` facts of the same thing how
    many are kept of each. `lost` says of each type when the latest fact with a time was that
    it let go of (microseconds); none: there is none, or it was before that was kept.
    """

    entries: tuple[Entry, ...] = ()
    depths: dict[str, int] = {}
    lost: dict[str, int] = {}


NO_FACTS = Facts()


def added(facts: Facts, entries: Iterable[Entry], likes: Mapping[str, str]) -> Facts:
    """Return `facts` with `entries` added.

    `likes` maps each declared type to the built-in one that it behaves like.
    """
    by_type: dict[str, list[Entry]] = {}
    for entry in (*facts.entries, *entries):
        by_type.setdefault(entry.type, []).append(entry)
    depths: dict[str, int] = {}
    lost = dict(facts.lost)
    kept: list[Entry] = []
    for type_ in sorted(by_type):
        rows = sorted(by_type[type_])
        by_message = likes.get(type_, type_) == SENT
        depth = facts.depths.get(type_, DEPTH)
        left, reached = _thinned(rows, depth, room_of(type_, likes), by_message)
        if reached < DEPTH:
            depths[type_] = reached
        gone = [entry.at for entry in {*rows}.difference(left) if entry.rank]
        if gone:
            lost[type_] = max(lost.get(type_, 0), *gone)
        kept += left
    kept.sort()
    return Facts(tuple(kept), depths, lost)


def room_of(type_: str, likes: Mapping[str, str]) -> int:
    """Return how many facts of a type a compartment keeps."""
    known = EVENT_TYPES.get(likes.get(type_, type_))
    return FEW if known is None else known.facts


def thinned(facts: Facts, likes: Mapping[str, str]) -> Iterator[tuple[Sequence[Entry], bool]]:
    """Yield the facts, of each type of the same thing, before which older ones may be missing.

    In canonical order; True with those of a whole type that has no room for one of each thing. Such
    a type is yielded by thing, too, where one lost some that are later than the oldest of the type.
    """
    by_type: dict[str, list[Entry]] = {}
    for entry in facts.entries:
        by_type.setdefault(entry.type, []).append(entry)
    for type_, rows in by_type.items():
        depth = facts.depths.get(type_, DEPTH)
        if depth == 1 and len(rows) >= room_of(type_, likes):
            yield rows, True
            if facts.lost.get(type_, 0) <= (rows[0].at if rows[0].rank else 0):
                continue
        if likes.get(type_, type_) != SENT:
            for same in _things(rows, by_message=False).values():
                if len(same) >= depth:
                    yield same, False


def _things(rows: Sequence[Entry], by_message: bool) -> dict[tuple[object, ...], list[Entry]]:
    """Return the rows of one type by what they are of."""
    found: dict[tuple[object, ...], list[Entry]] = {}
    for entry in rows:
        message = (entry.decision or entry.key) if by_message else 0
        found.setdefault((entry.channel, entry.item, entry.offer, message), []).append(entry)
    return found


def _thinned(rows: list[Entry], depth: int, room: int, by_message: bool) -> tuple[list[Entry], int]:
    """Return which of the rows of one type are kept, and how many of each thing at most."""
    if len(rows) <= min(depth, room):
        return rows, depth
    things = _things(rows, by_message)
    while depth > 1 and sum(min(len(same), depth) for same in things.values()) > room:
        depth -= 1
    kept = [entry for same in things.values() for entry in same[-depth:]]
    if len(kept) > room:
        kept = sorted(kept)[-room:]
    return kept, depth
