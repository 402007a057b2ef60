"""A large customer as a decision record keeps it: the same bytes, decoded before or not."""

import pytest
from msgspec.structs import replace

from models.codec import decode, encode
from models.decision.recorded import profile_to_keep
from models.domain.compartments import Compartments
from models.domain.event_types import EVENT_TYPES
from models.domain.fold import fold
from models.domain.profile import Compartment, Profile, decode_customer
from models.policy.schema import BUILT_IN
from tests.support.events import event, identifier

PEOPLE = [identifier(number) for number in range(4)]
TYPES = sorted(EVENT_TYPES)


def lived(number: int) -> Compartment:
    """Return a compartment with so many events of each type."""
    events = [
        event(f"{type_}{n}", PEOPLE[0], n, f"item{n:0500d}", type_=type_)
        for type_ in TYPES
        for n in range(number)
    ]
    return fold(Compartment(facts={}), events)


@pytest.mark.parametrize("overflowing", [False, True])
def test_what_a_record_keeps_does_not_depend_on_what_was_decoded(*, overflowing: bool) -> None:
    """With facts in some compartments or in none, and with some of the format before facts."""
    parts = [lived(8), lived(160 if overflowing else 8), Compartment()]
    parts.append(replace(lived(8), facts=None))
    compartments = dict(zip(PEOPLE, parts, strict=True))
    blob = encode(Profile(customer=PEOPLE[0], version=3, compartments=compartments), 3)
    found, whole = decode_customer(blob), decode(blob, Profile)
    assert isinstance(found, Profile)
    assert isinstance(found.compartments, Compartments)
    kept = profile_to_keep(found, BUILT_IN)
    assert kept == profile_to_keep(whole, BUILT_IN)
    again = decode(kept, Profile)
    assert {who: part.lanes for who, part in again.compartments.items()} == {
        who: part.lanes for who, part in compartments.items()
    }
    assert not any(part.seen for part in again.compartments.values())
    assert any(part.facts for part in again.compartments.values()) == overflowing
