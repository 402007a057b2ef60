"""A decision made again from its record: the same answer, byte for byte, without the catalogue.

Nothing is searched for. The candidates are those of the record, and so is what they were worth; the
rest follows from the customer's profile, the release and the policy, which the record names.
"""

import msgspec

from models.decision.decide import World, decide
from models.decision.recorded import exhausted_of, given_of, index_of, profile_of
from models.domain.decisions import Decision, Flag, Record
from models.errors import ThroughlineError
from models.policy.schema import Policy
from models.release.release import Release

# What only the server that decided could know.
_OF_THE_SERVER = (Flag.CLOCK_SET, Flag.IDENTIFIERS_DISAGREE)


class NotReplayable(ThroughlineError):
    """A record that another release or policy made, or one of a version that kept too little."""


def replay(record: Record, release: Release, policy: Policy) -> Decision:
    """Return the decision that `record` keeps, worked out anew.

    Raises `NotReplayable`, and `Damaged` where the record's profile cannot be read.
    """
    before = record.decision
    if before.moment.release != release.id:
        raise NotReplayable(f"release: the record's is {before.moment.release}")
    if before.moment.policy != policy.digest:
        raise NotReplayable(f"policy: the record's is {before.moment.policy}")
    if len(before.candidates.sources) != len(before.candidates.known):
        raise NotReplayable("record: kept by an earlier version, without the sources")
    profile = profile_of(record)
    index = index_of(before, record.rows, release)
    world = World(index, policy, exhausted_of(before))
    given = given_of(before, index, len(policy.diversity))
    blind = Flag.STATE_UNAVAILABLE in before.flags
    again = decide(profile, world, record.request, record.time, given, blind=blind)
    told = {flag for flag in before.flags if flag in _OF_THE_SERVER}
    return msgspec.structs.replace(again, flags=tuple(sorted({*again.flags, *told})))
