"""The decision: a pure function of profile, catalogue, release, policy, request and time.

It runs in seven stages, a file each. The person's ranking is made first, without a look at who asks
(tier 0). The channel enters last: it goes down that ranking and shows or withholds each offer, with
a reason, until it has as many as it asked for. Nothing is ever reordered for a channel.
"""

from models.decision.fill_slate import fill_slate
from models.decision.filter_channel import filter_channel
from models.decision.filter_everywhere import filter_everywhere
from models.decision.gather import gather
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.record import record
from models.decision.recorded import RecordedCandidates
from models.decision.retrieve import retrieve
from models.decision.score import score
from models.decision.stages import Stages
from models.domain.decisions import Decision, Request
from models.domain.profile import Profile


def decide(
    profile: Profile,
    shared: SharedInputs,
    request: Request,
    now: int,
    recorded: RecordedCandidates | None = None,
    *,
    profile_unavailable: bool = False,
    nothing_reserved: bool = False,
) -> Decision:
    """Return the slate for one customer at `now` (microseconds), and why it is what it is.

    `now` decides validity, cool-downs and caps exactly and is cut to the minute for everything
    else. Fewer offers than asked come only when no more are eligible. `recorded`,
    `profile_unavailable` and `nothing_reserved` are told at `DecisionInputs`.
    """
    inputs = DecisionInputs(
        profile, shared, request, now, recorded, profile_unavailable, nothing_reserved
    )
    return record(run_stages(inputs))


def run_stages(inputs: DecisionInputs) -> Stages:
    """Return the result of every stage up to the slate, which `record` makes the answer of."""
    gathered = gather(inputs)
    everywhere = filter_everywhere(inputs, gathered)
    retrieved = retrieve(inputs, gathered, everywhere)
    scored = score(inputs, gathered, retrieved)
    channel = filter_channel(inputs, gathered)
    filled = fill_slate(inputs, gathered, everywhere, scored, channel)
    return Stages(inputs, gathered, everywhere, retrieved, scored, channel, filled)
