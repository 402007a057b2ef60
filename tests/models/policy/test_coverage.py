"""What a policy is about, counted over a catalogue: names that lead nowhere show."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.catalogue import Item, Offer, Row
from models.domain.selectors import Selector, selects
from models.policy.coverage import OfferView, PartCoverage, cover
from models.policy.schema import Cap, Contact, Policy
from models.policy.toml_file import read_policy

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROWS: list[Row] = [
    Item(id="coffee", title="", features={"category": ["drinks"]}, groups=("summer",)),
    Item(id="tea", title="", features={"category": ["drinks"]}, sensitivity="health"),
    Item(id="bread", title="", features={"category": ["bakery"]}),
    Item(id="gone", title="", features={"category": ["drinks"]}, withdrawn=True),
    Offer(id="bundle", title="", items=("coffee", "tea"), features={}, groups=("summer",)),
]


def covered(toml: str, attributes: dict[str, set[str]] | None = None) -> PartCoverage:
    """Return what the one part of a policy is about."""
    found = cover(read_policy(toml), OfferView.of_rows(ROWS), NOW, attributes)
    assert found.offers == 4
    (part,) = found.parts
    return part


def rule(about: str, when: str = "") -> str:
    """Return a policy of one rule."""
    conditions = f"when = [{when}]" if when else "bar = true"
    return f'[[eligibility]]\nname = "r"\nabout = {about}\n{conditions}\n'


LEVER = '[[levers]]\nname = "l"\nowner = "o"\nfactor = 2\nabout = { groups = ["summer"] }\n'


@pytest.mark.parametrize(
    ("toml", "offers"),
    [
        (rule('{ features = { category = ["drinks"] } }'), 2),
        (rule('{ groups = ["summer"] }'), 2),
        (rule('{ offers = ["item:bread", "bundle"] }'), 2),
        (rule('{ classes = ["marketing"] }'), 4),
        (rule('{ sensitivities = ["health"] }'), 1),
        ('[[contact.caps]]\nname = "c"\nlimit = 1\ndays = 7\n', 4),
        ('[contact.cool_downs]\ncategory = "category"\n', 3),
        ('[[diversity]]\nfeature = "category"\nlimit = 1\n', 3),
        (f"{LEVER}until = 2026-12-01T00:00:00Z\n", 2),
        ('[placements.hero]\nabout = { groups = ["summer"] }\n', 2),
    ],
)
def test_each_part_is_counted(toml: str, offers: int) -> None:
    """Withdrawn offers do not count, default offers of items do; nothing odd is told."""
    part = covered(toml)
    assert (part.offers, part.remarks) == (offers, ())


@pytest.mark.parametrize(
    ("toml", "offers", "remark"),
    [
        (
            rule('{ offers = ["item:cofee"] }'),
            0,
            "about.offers: no offer 'item:cofee'; did you mean item:coffee?",
        ),
        (rule('{ offers = ["bundle", "item:gone"] }'), 1, "about.offers: no offer 'item:gone'"),
        (
            rule('{ features = { categroy = ["drinks"] } }'),
            0,
            "about.features: no feature 'categroy'; did you mean category?",
        ),
        (
            rule('{ features = { category = ["drinks", "bakerry"] } }'),
            2,
            "about.features.category: no offer of 'bakerry'; did you mean bakery?",
        ),
        (
            rule('{ groups = ["sumer"] }'),
            0,
            "about.groups: no offer of 'sumer'; did you mean summer?",
        ),
        (
            rule('{ groups = ["summer"], sensitivities = ["health"] }'),
            0,
            "about: no offer is all of it",
        ),
        (f"{LEVER}until = 2026-05-01T00:00:00Z\n", 2, "until: over since 2026-05-01T00:00:00"),
        (
            rule("{}", '{ kind = "none", of = [{ kind = "time", until = 2026-05-31T10:00:00 }] }'),
            4,
            "when: time: over since 2026-05-31T10:00:00",
        ),
        (
            rule("{}", '{ kind = "event", type = "view", days = 7, items = ["brad"] }'),
            4,
            "when: event: no offer 'item:brad'; did you mean item:bread?",
        ),
        (
            '[[diversity]]\nfeature = "brand"\nlimit = 1\n',
            0,
            "no feature 'brand'",
        ),
        (
            '[contact.cool_downs]\ncategory = "categories"\n',
            0,
            "no feature 'categories'; did you mean category?",
        ),
    ],
)
def test_what_leads_nowhere_is_told_with_what_is_meant(toml: str, offers: int, remark: str) -> None:
    """A part that is about nothing, a name that no offer has, an end that is past."""
    part = covered(toml)
    assert part.offers == offers
    (told,) = part.remarks
    assert told.startswith(remark)


def test_attributes_are_looked_up_where_they_are_known() -> None:
    """A misspelt attribute, or a tier that nobody is in, is told; without customers nothing is."""
    tier = rule("{}", '{ kind = "attribute", name = "tier", one_of = ["gold", "silvre"] }')
    known = {"tier": {"gold", "silver"}, "region": {"north"}}
    assert covered(tier).remarks == ()
    assert covered(tier, known).remarks == (
        "when: tier: no customer of 'silvre'; did you mean silver?",
    )
    teir = rule("{}", '{ kind = "attribute", name = "teir" }')
    assert covered(teir, known).remarks == (
        "when: attribute: no customer with 'teir'; did you mean tier?",
    )


@pytest.mark.parametrize("hours", [11, 13])
def test_a_local_end_is_past_once_it_is_everywhere(hours: int) -> None:
    """Of a time on the customer's clock the last zone of the world decides."""
    until = NOW.replace(tzinfo=None).isoformat()
    policy = read_policy(rule("{}", f'{{ kind = "time", until = {until} }}'))
    moment = datetime(2026, 6, 1, hours, tzinfo=UTC)
    (part,) = cover(policy, OfferView.of_rows(ROWS), moment).parts
    assert bool(part.remarks) is (hours > 12)


_names = st.sampled_from(["a", "b", "c"])
_rows = st.lists(
    st.builds(
        Item,
        id=_names,
        title=st.just(""),
        features=st.dictionaries(_names, st.lists(_names, min_size=1).map(tuple), max_size=2),
        groups=st.lists(_names, max_size=2, unique=True).map(tuple),
        withdrawn=st.booleans(),
    ),
    unique_by=lambda item: item.id,
)
_selectors = st.builds(
    Selector,
    offers=st.lists(_names.map("item:".__add__), max_size=2).map(tuple),
    groups=st.lists(_names, max_size=2).map(tuple),
    features=st.dictionaries(_names, st.lists(_names, min_size=1).map(tuple), max_size=2),
)


@given(_rows, _selectors)
def test_a_count_is_of_the_offers_that_a_selector_selects(
    rows: list[Item], about: Selector
) -> None:
    """Counted one by one it is the same, and what is about nothing always says why."""
    cap = Cap(name="c", limit=1, days=1, about=about)
    policy = Policy(contact=Contact(caps=(cap,)))
    (part,) = cover(policy, OfferView.of_rows(rows), NOW).parts
    assert part.offers == sum(selects(about, row) for row in rows if not row.withdrawn)
    assert part.offers or part.remarks
