"""A customer as it was read by identifiers."""

from collections.abc import Sequence
from typing import NamedTuple

from models.domain.profile import Profile


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
