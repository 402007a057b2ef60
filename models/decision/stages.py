"""The results of all stages of one decision: what is recorded of it, and what explains it."""

from typing import NamedTuple

from models.decision.filter_channel import ChannelFilters
from models.decision.filter_everywhere import GlobalFilters
from models.decision.gather import Gathered
from models.decision.inputs import DecisionInputs
from models.decision.retrieve import Retrieved
from models.decision.score import Scored
from models.decision.slate import FilledSlate


class Stages(NamedTuple):
    """One decision: its inputs, and the result of each stage up to the slate."""

    inputs: DecisionInputs
    gathered: Gathered
    everywhere: GlobalFilters
    retrieved: Retrieved
    scored: Scored
    channel: ChannelFilters
    filled: FilledSlate
