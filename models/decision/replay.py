"""A decision made again from its record: the same answer, byte for byte, without the catalogue.

Nothing is searched for. The candidates are those of the record, and so is what they were worth; the
rest follows from the customer's profile, the release and the policy, which the record names.
"""

import msgspec

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.decision.recorded import (
    recorded_candidates,
    recorded_exhausted,
    recorded_index,
    recorded_profile,
)
from models.domain.decisions import Decision, DecisionRecord, Flag
from models.errors import ThroughlineError
from models.policy.currency import recorded_exchange
from models.policy.schema import Policy
from models.release.release import Release

# What only the server that decided could know.
_OF_THE_SERVER = (
    *(Flag.CLOCK_SET, Flag.IDENTIFIERS_DISAGREE),
    *(Flag.RELEASE_FALLBACK, Flag.POLICY_FALLBACK, Flag.STORE_OLDER),
)


class NotReplayable(ThroughlineError):
    """A record that another release or policy made, or one of a version that kept too little."""


def replay(record: DecisionRecord, release: Release, policy: Policy) -> Decision:
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
    profile = recorded_profile(record)
    index = recorded_index(before, record.rows, release)
    exchange = recorded_exchange(policy, record.currency)
    shared = SharedInputs(index, policy, recorded_exhausted(record), exchange=exchange)
    recorded = recorded_candidates(before, index, len(policy.diversity))
    again = decide(
        profile,
        shared,
        record.request,
        record.time,
        recorded,
        profile_unavailable=Flag.STATE_UNAVAILABLE in before.flags,
        nothing_reserved=Flag.NOTHING_RESERVED in before.flags,
    )
    told = {flag for flag in before.flags if flag in _OF_THE_SERVER}
    return msgspec.structs.replace(again, flags=tuple(sorted({*again.flags, *told})))
