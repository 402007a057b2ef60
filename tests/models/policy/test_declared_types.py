"""A declared type does all in a policy that the built-in one does that it is like."""

import pytest

from models.domain.event_types import BUILT_IN as TYPES
from models.domain.event_types import EVENT_TYPES
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import View, view_of
from models.policy.caps import ContactRules
from models.policy.schema import Cap, Contact, Policy
from tests.support.contacts import CATALOGUE, HOUR, NOW

CHANNELS = ("email", "web")
CAPS = tuple(
    Cap(name=f"{per} on {channel}", limit=1, per=per, days=7, channels=(channel,))
    for per in ("person", "offer")
    for channel in CHANNELS
)
SENDABLE = [one.name for one in TYPES if not one.own]


def seen(type_: str, like: str, channel: str, decision: str) -> View:
    """Return the view of a customer with one event of a type, which is like a built-in one."""
    event = Event(
        event_id="e",
        identifier=b"i" * 16,
        type=type_,
        channel=channel,
        time=NOW - HOUR,
        item="a",
        offer="loan",
        decision_id=decision,
        attributes={"open_case": "c"} if like == "attributes_changed" else {},
    )
    return view_of([fold(Compartment(), [event], {**EVENT_TYPES, type_: EVENT_TYPES[like]})])


@pytest.mark.parametrize("decision", ["", "d"])
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("like", SENDABLE)
def test_a_declared_type_does_what_the_one_it_is_like_does(
    like: str, channel: str, decision: str
) -> None:
    """Caps, cool-downs and open cases see an event of a declared type as one of the built-in."""

    def ruled(type_: str) -> tuple[object, ...]:
        policy = Policy(contact=Contact(caps=CAPS))
        view = seen(type_, like, channel, decision)
        rules = ContactRules(view, policy, NOW, "default", (), CATALOGUE)
        held = [rules.withheld(CATALOGUE.offers["loan"], one) for one in CHANNELS]
        return rules.closed(), rules.suspended("web"), held

    assert ruled("declared") == ruled(like)


def test_a_declared_message_counts_under_a_cap() -> None:
    """A type like `sent` is a contact: the cap of the week is reached by it."""
    policy = Policy(contact=Contact(caps=CAPS))
    view = seen("posted", "sent", "email", "d")
    rules = ContactRules(view, policy, NOW, "default", (), CATALOGUE)
    assert [capped.exclusion.rule for capped in rules.capped("email")] == [
        "person on email",
        "offer on email",
    ]


def test_a_declared_refusal_starts_the_cool_down() -> None:
    """A type like `dismiss` closes the offer that it names."""
    view = seen("swiped_away", "dismiss", "web", "")
    rules = ContactRules(view, Policy(), NOW, "default", (), CATALOGUE)
    assert [(offer, one.rule) for offer, one in rules.closed().items()] == [("loan", "decline")]
