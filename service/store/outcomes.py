"""What a store answers: a decision by its id, the counts of a load."""

from typing import NamedTuple

from models.domain.decisions import DecisionRecord
from models.errors import Unreadable


class StoredDecision(NamedTuple):
    """A decision by its id: its record, or why that cannot be read."""

    id: str
    record: DecisionRecord | Unreadable


class LoadCounts(NamedTuple):
    """What became of events and links of a load.

    A link that was there already is a duplicate. A conflict is an event id known with other
    content, of which the first stays, or a link beyond what a customer may have, which is left out.
    """

    stored: int
    duplicates: int
    conflicts: int
