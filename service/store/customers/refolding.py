"""Makes the profile of a customer anew from the log, which has every event ever recorded.

What the log no longer holds is never let go of: where a compartment remembers more than the log
accounts for, it keeps what it has.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from models.domain.event_types import EventType
from models.domain.events import Event, stamp_of
from models.domain.fold import counted_as, fold
from models.domain.profile import Compartment, Profile, known_since

# What `known_since` says of an identifier whose arrival nobody knows is less than any arrival.
_UNKNOWN = 1


class Said(NamedTuple):
    """What the log says of one identifier.

    `events` came under it, in order of arrival; `since` is the first arrival of anything that
    names it (microseconds), None where nothing does.
    """

    events: Sequence[Event]
    since: int | None


class Refolded(NamedTuple):
    """A profile as the log makes it; of `kept` identifiers the log tells less than the profile."""

    profile: Profile
    kept: int


def refold(
    profile: Profile, said_of: Callable[[bytes], Said], event_types: Mapping[str, EventType]
) -> Refolded:
    """Return a profile as it would be, had all its events been recorded by this version.

    Arrivals that it says stay. `event_types` maps each type in the log to the built-in one that it
    is or behaves like. The version is left to who writes it.
    """
    compartments, arrivals = dict(profile.compartments), known_since(profile)
    kept = 0
    for identifier, part in profile.compartments.items():
        said = said_of(identifier)
        if arrivals[identifier] <= _UNKNOWN and said.since is not None:
            arrivals[identifier] = said.since
        if part == Compartment() and not said.events:
            continue  # nothing was ever recorded under it
        if accounts_for(said.events, part):
            compartments[identifier] = fold(Compartment(), _once(said.events), event_types)
        else:
            kept += 1
            compartments[identifier] = fold(part, (), event_types)
    if known_since(profile).get(profile.customer) == 0:
        # Draws were by this one, whoever came first: nobody changes arms by a migration.
        others = [arrivals[one] for one in arrivals if one != profile.customer]
        own = arrivals[profile.customer]
        arrivals[profile.customer] = min([own, *(other - 1 for other in others)])
    after = replace(profile, compartments=compartments, arrivals=arrivals)
    return Refolded(after, kept)


def accounts_for(events: Iterable[Event], part: Compartment) -> bool:
    """Tell whether all that a compartment remembers is of these events."""
    counts: Counter[str] = Counter()
    stamps = set()
    for event in events:
        counts[counted_as(event)] += 1
        stamps.add(stamp_of(event))
    if any(number > counts[name] for name, number in part.counts.items()):
        return False
    if any(attribute.stamp not in stamps for attribute in part.attributes.values()):
        return False
    logged = {(stamp.rank, stamp.at, stamp.key >> 32) for stamp in stamps}
    lanes = (*part.lanes.values(), *(facts.entries for facts in (part.facts or {}).values()))
    return all((one.rank, one.at, one.key) in logged for entries in lanes for one in entries)


def _once(events: Iterable[Event]) -> list[Event]:
    """Return each event once: an id is that of the event which came first."""
    first: dict[str, Event] = {}
    for event in events:
        first.setdefault(event.event_id, event)
    return list(first.values())
