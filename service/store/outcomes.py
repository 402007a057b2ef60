"""What a store answers: a customer as it was read, a decision by its id, the counts of a load."""

from collections.abc import Sequence
from typing import NamedTuple

from models.domain.decisions import DecisionRecord
from models.domain.profile import Profile
from models.errors import Unreadable


class CustomerLookup(NamedTuple):
    """A customer as read by identifiers.

    Where nobody is known by them, `known` is False and the profile is empty, at version 0, under
    the first identifier. `identifiers_disagree`: some are of other known customers.
    """

    profile: Profile
    known: bool
    identifiers_disagree: bool

    def contact_identifier(self, identifiers: Sequence[bytes]) -> bytes:
        """Return the one of `identifiers` that a contact with this customer is recorded under."""
        held = self.profile.compartments
        return next((one for one in identifiers if one in held), self.profile.customer)


class StoredDecision(NamedTuple):
    """A decision by its id: its record, or why that cannot be read."""

    id: str
    record: DecisionRecord | Unreadable


class LoadCounts(NamedTuple):
    """What became of events and links of a load.

    A link that was there already is a duplicate; a conflict is an event id known with other
    content, of which the first stays.
    """

    stored: int
    duplicates: int
    conflicts: int
