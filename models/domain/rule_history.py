"""What rules look back on: all that is remembered of a customer, lanes and facts together.

The model reads lanes; a rule asks here, for entries, and for what may be missing of them: up to
when something of a kind may have happened that nothing tells of any more. Who asks decides what to
make of it; a promise not to do something is kept by not doing it.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from heapq import merge
from itertools import chain, islice
from typing import NamedTuple

from models.domain.entry import Entry
from models.domain.event_types import PURCHASE, RESPONSE, RETURNED
from models.domain.facts import thinned
from models.domain.fold import lost_before
from models.domain.profile import LANE_CAPACITY, Compartment
from models.domain.returns import taken_back

REDEEM = "redeem"


class Gap(NamedTuple):
    """Events up to `until` (microseconds) may be missing: of a type, of a lane, or of a thing.

    With `lane` those of all its types, as nobody knows of which; with `of` those of the channel,
    item and offer of that entry; else those of `type`.
    """

    until: int
    lane: str = ""
    type: str = ""
    of: Entry | None = None


class RuleHistory:
    """The entries of a customer for rules, of all `parts` (compartments).

    `bounded` are the lanes of the view, which hold all there is where none was let go of.
    """

    def __init__(
        self, parts: Sequence[Compartment], bounded: Mapping[str, Sequence[Entry]], *, former: bool
    ) -> None:
        """`former`: the stored compartments are of the format before facts, and so are its rules.

        Then only what one compartment would have kept counts.
        """
        self._parts = parts
        self._bounded = bounded
        self.former = former
        self._found: dict[str, Sequence[Entry]] = {}

    def entries(self, lane: str) -> Sequence[Entry]:
        """Return what is remembered of a lane's types, in canonical order."""
        found = self._found.get(lane)
        if found is None:
            found = self._bounded.get(lane, ())
            if not self.former and lane in self._overflowing:
                found = counted_once([_of(part, lane) for part in self._parts])
            self._found[lane] = found
        return found

    def standing(self, lane: str) -> Sequence[Entry]:
        """Return the same without what was taken back."""
        entries = self.entries(lane)
        gone = self.taken_back
        return [entry for entry in entries if entry.key not in gone] if gone else entries

    @cached_property
    def taken_back(self) -> frozenset[int]:
        """The keys of all acts that were wholly taken back."""
        returns = self.entries(RETURNED)
        if not returns:
            return frozenset()
        redeemed = [one for one in self.entries(RESPONSE) if self.like(one.type) == REDEEM]
        return taken_back(returns, self.entries(PURCHASE), redeemed)

    def like(self, type_: str) -> str:
        """Return the built-in type that a type is, or behaves like."""
        return self._likes.get(type_, type_)

    @cached_property
    def bounded(self) -> bool:
        """Whether anything may be missing that rules of the format of today look for."""
        return not self.former and any(part.facts or part.lost for part in self._parts)

    def gaps(self, lane: str) -> Sequence[Gap]:
        """Return what may be missing of a lane's types."""
        return self._gaps.get(lane, ())

    @cached_property
    def _likes(self) -> Mapping[str, str]:
        return {name: like for part in self._parts for name, like in part.likes.items()}

    @cached_property
    def _overflowing(self) -> frozenset[str]:
        """The lanes of which the view may hold less than the parts."""
        counts: dict[str, int] = {}
        for part in self._parts:
            for lane, entries in part.lanes.items():
                counts[lane] = counts.get(lane, 0) + len(entries)
            for lane in part.facts or ():
                counts[lane] = LANE_CAPACITY[lane] + 1
        return frozenset(lane for lane, count in counts.items() if count > LANE_CAPACITY[lane])

    @cached_property
    def _gaps(self) -> Mapping[str, Sequence[Gap]]:
        found: dict[str, list[Gap]] = {}
        if self.former:
            for lane, entries in self._bounded.items():
                if len(entries) >= LANE_CAPACITY.get(lane, len(entries) + 1):
                    until = entries[0].at if entries[0].rank else 0
                    found.setdefault(lane, []).append(Gap(until, lane=lane))
            return found
        for part in self._parts:
            for lane, until in lost_before(part).items():
                found.setdefault(lane, []).append(Gap(until, lane=lane))
            for lane, facts in (part.facts or {}).items():
                for rows, whole in thinned(facts, part.likes):
                    first = rows[0]
                    until = first.at if first.rank else 0
                    gap = Gap(until, type=first.type, of=None if whole else first)
                    found.setdefault(lane, []).append(gap)
        return found


def counted_once(parts: Sequence[Sequence[Entry]]) -> list[Entry]:
    """Return the entries of several compartments in canonical order, each event once.

    An event that was recorded under several identifiers of a customer is in each one's compartment;
    the first of them in canonical order counts.
    """
    return sorted(chain.from_iterable(_once(parts)))


def latest_once(parts: Sequence[Sequence[Entry]], capacity: int) -> tuple[Entry, ...]:
    """Return the latest `capacity` of what `counted_once` returns of parts in canonical order.

    It looks at little more than those: of fifty identifiers there may be thousands.
    """
    newest = merge(*map(reversed, _once(parts)), reverse=True)
    return tuple(islice(newest, capacity))[::-1]


def _once(parts: Sequence[Sequence[Entry]]) -> Sequence[Sequence[Entry]]:
    """Return the parts without what another part has, and counts for."""
    keys = {entry.key for part in parts for entry in part}
    if len(keys) == sum(map(len, parts)):
        return parts
    first: dict[int, tuple[Entry, int]] = {}
    for number, part in enumerate(parts):
        for entry in part:
            known = first.setdefault(entry.key, (entry, number))
            if (entry, number) < known:
                first[entry.key] = entry, number
    # Keys are 32 bits of ids that differ within one compartment.
    return [
        [entry for entry in part if first[entry.key][1] == number]
        for number, part in enumerate(parts)
    ]


def _of(part: Compartment, lane: str) -> list[Entry]:
    facts = (part.facts or {}).get(lane)
    entries = part.lanes.get(lane, ())
    return [*entries] if facts is None else [*facts.entries, *entries]
