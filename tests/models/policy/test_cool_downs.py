"""Cool-downs: what a purchase or a refusal closes, on all channels, and exactly how long."""

import pytest

from models.clock_time import DAY
from models.domain.decisions import ContextItem
from models.domain.events import Event
from models.domain.exclusions import Exclusion, SelectorExclusion
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.reasons import Reason
from models.domain.selectors import Selector
from models.domain.view import view_of
from models.policy.caps import ContactRules
from models.policy.schema import BUILT_IN, Contact, CoolDowns, Policy
from tests.support.contacts import CATALOGUE, MINUTE, NOW


def said(kind: str, item: str = "", offer: str = "", at: int | None = NOW) -> Event:
    """Return an event of the till."""
    return Event(
        event_id=f"{kind}{item}{offer}{at}",
        identifier=b"i" * 16,
        type=kind,
        channel="till",
        time=at,
        item=item,
        offer=offer,
    )


def engine(
    *events: Event,
    cool_downs: CoolDowns = BUILT_IN.contact.cool_downs,
    now: int = NOW,
    like: str = "default",
    context: tuple[ContextItem, ...] = (),
) -> ContactRules:
    """Return the engine over a customer who did all that."""
    view = view_of([fold(Compartment(), events)])
    policy = Policy(contact=Contact(cool_downs=cool_downs))
    return ContactRules(view, policy, now, like, context, CATALOGUE)


@pytest.mark.parametrize(
    ("event", "closed", "reason", "rule"),
    [
        (said("purchase", "a"), {"item:a"}, Reason.PURCHASED, "purchase"),
        (said("purchase", "a", "loan"), {"item:a", "loan"}, Reason.PURCHASED, "purchase"),
        (said("accept", offer="loan"), {"loan"}, Reason.PURCHASED, "purchase"),
        (said("redeem", "a"), {"item:a"}, Reason.PURCHASED, "purchase"),
        (said("dismiss", "a", "loan"), {"loan"}, Reason.DECLINED, "decline"),
        (said("dismiss", "a"), {"item:a"}, Reason.DECLINED, "decline"),
    ],
)
def test_a_cool_down_ends_to_the_microsecond(
    event: Event, closed: set[str], reason: Reason, rule: str
) -> None:
    """What the customer did closes its offers until the days are over, and not longer."""
    cool_downs = CoolDowns(purchase=2, decline=2)
    end = NOW + 2 * DAY
    held = dict.fromkeys(closed, Exclusion(reason, rule, end))
    assert engine(event, cool_downs=cool_downs, now=end - 1).closed() == held
    assert engine(event, cool_downs=cool_downs, now=end).closed() == {}


def test_intents_lift_and_add() -> None:
    """Replenishing closes nothing bought; discovery closes whatever was touched."""
    bought = said("purchase", "a")
    assert engine(bought, like="replenish").closed() == {}
    discovery = engine(bought, said("view", "b"), like="discovery").closed()
    assert {name: one.reason for name, one in discovery.items()} == {
        "item:a": Reason.PURCHASED,
        "item:b": Reason.TOUCHED,
    }
    here = engine(context=(ContextItem("c"),)).closed()
    assert here == {"item:c": Exclusion(Reason.IN_CONTEXT, "", None)}


def test_undated_history_starts_no_cool_down() -> None:
    """A purchase of nobody knows when closes neither its item nor its category."""
    undated = engine(said("purchase", "a", at=None), cool_downs=CoolDowns(category="category"))
    assert undated.closed() == {}
    assert undated.closed_categories() == []


def test_a_purchase_closes_its_category() -> None:
    """All offers of the categories of the item bought are closed, as long as the policy says."""
    cool_downs = CoolDowns(category="category", category_days=5)
    events = (said("purchase", "b"), said("purchase", "a", at=NOW + DAY))
    closed = engine(*events, cool_downs=cool_downs, now=NOW + 2 * DAY)
    about = Selector(features={"category": ("x", "y")})
    assert closed.closed_categories() == [
        SelectorExclusion(Exclusion(Reason.PURCHASED, "category"), about)
    ]
    free = {item: closed.category_free_at(CATALOGUE.items[item]) for item in ("a", "b", "c")}
    assert free == {"a": NOW + 6 * DAY, "b": NOW + 6 * DAY, "c": None}
    later = engine(*events, cool_downs=cool_downs, now=NOW + 5 * DAY)
    assert later.closed_categories()[0].about == Selector(features={"category": ("x",)})
    assert engine(*events, cool_downs=cool_downs, like="replenish").closed_categories() == []
    assert engine(*events).closed_categories() == []


def test_a_late_receipt_closes_at_once() -> None:
    """A purchase that comes late and out of order closes from its own time, wherever it came in."""
    before = (said("view", "a", at=NOW - MINUTE), said("dismiss", "c", at=NOW))
    receipt = said("purchase", "a", at=NOW - 15 * MINUTE)
    assert "item:a" not in engine(*before).closed()
    after = engine(*before, receipt).closed()
    assert after["item:a"] == Exclusion(Reason.PURCHASED, "purchase", NOW - 15 * MINUTE + 30 * DAY)
    assert engine(receipt, *before).closed() == after
