"""A policy's text: what is wrong is told by line and key, and what is right decides."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.selectors import Selector
from models.policy.schema import BUILT_IN, Cap, Lever
from models.policy.toml_file import BYTES, BadPolicy, read_policy
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples" / "policies"

# Each is one mistake: the text, and the line and key that must be told.
BROKEN = [
    ("[intents", 1, "file"),
    ("a = 1\na = 2", 2, "file"),
    ("x = 1", 1, "x"),
    ("# policy\n\ncontact = 3", 3, "contact"),
    ("[contact]\nzone = 5", 2, "contact.zone"),
    ('[contact]\nzone = "Mars/Olympus"', 2, "contact.zone"),
    ('[contact]\noutbound = ["pigeon"]', 2, "contact.outbound"),
    ("[contact]\nreserve_minutes = 0", 2, "contact.reserve_minutes"),
    ('[contact]\nzone_attribute = ""', 2, "contact.zone_attribute"),
    ("[contact]\nunknown = 1", 2, "contact.unknown"),
    ("[contact.cool_downs]\npurchase = -1", 2, "contact.cool_downs.purchase"),
    ("[contact.cool_downs]\npurchase = true", 2, "contact.cool_downs.purchase"),
    ("[contact.cool_downs]\ndecline = 1000", 2, "contact.cool_downs.decline"),
    ('[[contact.caps]]\nname = "a"\ndays = 1', 1, "contact.caps[0]"),
    ('[[contact.caps]]\nname = "a"\nlimit = 51\ndays = 1', 3, "contact.caps[0].limit"),
    ('[[contact.caps]]\nname = "a"\nlimit = 1.5\ndays = 1', 3, "contact.caps[0].limit"),
    ('[[contact.caps]]\nname = "a"\nlimit = 1', 1, "contact.caps[0]"),
    (
        '[[contact.caps]]\nname = "a"\nlimit = 1\ndays = 1\ncalendar = "week"',
        4,
        "contact.caps[0].days",
    ),
    ('[[contact.caps]]\nname = "a"\nlimit = 1\ncalendar = "year"', 4, "contact.caps[0].calendar"),
    ('[[contact.caps]]\nname = "a"\nlimit = 1\ndays = 0', 4, "contact.caps[0].days"),
    ('[[contact.caps]]\nname = "A b"\nlimit = 1\ndays = 1', 2, "contact.caps[0].name"),
    (
        '[[contact.caps]]\nname = "a"\nlimit = 1\ndays = 1\nper = "group"',
        1,
        "contact.caps[0]",
    ),
    (
        '[[contact.caps]]\nname = "a"\nlimit = 1\ndays = 1\nper = "house"',
        5,
        "contact.caps[0].per",
    ),
    (
        '[[contact.caps]]\nname = "a"\nlimit = 1\ndays = 1\n'
        '[[contact.caps]]\nname = "a"\nlimit = 2\ndays = 2',
        6,
        "contact.caps[1].name",
    ),
    (
        '[[contact.caps]]\nname = "a"\nlimit = 1\ndays = 1\nchannels = ["fax"]',
        5,
        "contact.caps[0].channels",
    ),
    (
        '[[contact.quiet_hours]]\nname = "n"\nchannels = ["sms"]\nstart = "25:00"\nend = "08:00"',
        4,
        "contact.quiet_hours[0].start",
    ),
    (
        '[[contact.quiet_hours]]\nname = "n"\nchannels = ["sms"]\nstart = "08:00"\nend = "08:00"',
        5,
        "contact.quiet_hours[0].end",
    ),
    (
        '[[contact.quiet_hours]]\nname = "n"\nchannels = ["sms"]\nstart = "08:00"\nend = "09:00"\n'
        "weekdays = [0]",
        6,
        "contact.quiet_hours[0].weekdays",
    ),
    ("[intents.Best]\n", 1, "intents.Best"),
    ('[intents.best]\nlike = "magic"', 2, "intents.best.like"),
    ('[intents.default]\nlike = "discovery"', 2, "intents.default.like"),
    ('[intents.best]\nclasses = ["spam"]', 2, "intents.best.classes[0]"),
    ('[intents.best]\nclasses = ["service", "service"]', 2, "intents.best.classes"),
    ('[placements.home]\nintent = "gift"', 2, "placements.home.intent"),
    ("[placements.home]\ncount = 101", 2, "placements.home.count"),
    ('[placements."a-b"]\ncount = 1', 1, "placements.a-b"),
    ('[[eligibility]]\nname = "a"', 1, "eligibility[0]"),
    ('[[eligibility]]\nname = "a"\nbar = true', 3, "eligibility[0].bar"),
    (
        '[[eligibility]]\nname = "a"\nwhen = [{ kind = "mood" }]',
        3,
        "eligibility[0].when[0].kind",
    ),
    (
        '[[eligibility]]\nname = "a"\nwhen = [{ kind = "event", type = "sneeze", days = 1 }]',
        3,
        "eligibility[0].when[0].type",
    ),
    (
        '[[eligibility]]\nname = "a"\nwhen = [{ kind = "event", type = "view", days = 400 }]',
        3,
        "eligibility[0].when[0].days",
    ),
    (
        '[[eligibility]]\nname = "a"\n'
        'when = [{ kind = "event", type = "view", days = 1, at_least = 151 }]',
        3,
        "eligibility[0].when[0].at_least",
    ),
    ('[[eligibility]]\nname = "a"\nwhen = [{ kind = "time" }]', 3, "eligibility[0].when[0]"),
    ('[[eligibility]]\nname = "a"\nwhen = [{ kind = "offer" }]', 3, "eligibility[0].when[0]"),
    (
        '[[eligibility]]\nname = "a"\n'
        'when = [{ kind = "any", of = [{ kind = "place", one_of = 1 }] }]',
        3,
        "eligibility[0].when[0].of[0].one_of",
    ),
    (
        '[[eligibility]]\nname = "a"\n'
        'when = [{ kind = "attribute", name = "age", at_least = 9, at_most = 1 }]',
        3,
        "eligibility[0].when[0].at_most",
    ),
    (
        '[[levers]]\nname = "a"\nowner = "o"\nabout = { groups = ["g"] }\nfactor = 11\n'
        "until = 2027-01-01T00:00:00Z",
        5,
        "levers[0].factor",
    ),
    (
        '[[levers]]\nname = "a"\nowner = " "\nabout = { groups = ["g"] }\nfactor = 2\n'
        "until = 2027-01-01T00:00:00Z",
        3,
        "levers[0].owner",
    ),
    (
        '[[levers]]\nname = "a"\nowner = "o"\nabout = { groups = ["g"] }\nfactor = 2\n'
        "until = 2027-01-01T00:00:00",
        6,
        "levers[0].until",
    ),
    (
        '[[levers]]\nname = "a"\nowner = "o"\nabout = { groups = ["g"] }\nfactor = 2',
        1,
        "levers[0]",
    ),
    (
        '[[levers]]\nname = "a"\nowner = "o"\nabout = { groups = ["g"] }\nfactor = 2\n'
        'until = 2027-01-01T00:00:00Z\nintents = ["gift"]',
        7,
        "levers[0].intents",
    ),
    ('[arbitration]\nvalue_unknown = ["eur", 1]', 2, "arbitration.value_unknown"),
    ('[money]\ncurrency = "EURO"', 2, "money.currency"),
    ("[money.rates]\nJPY = 0.006", 1, "money"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = 0', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = "0.0000000001"', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = 1e-10', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = -1', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = inf', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = true', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nJPY = 1000001', 4, "money.rates.JPY"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nUSD = 1\nEUR = 1', 5, "money.rates.EUR"),
    ('[money]\ncurrency = "EUR"\n[money.rates]\nUSD = 1\nYEN = 1', 5, "money.rates.YEN"),
    (
        '[money]\ncurrency = "EUR"\n[arbitration]\nvalue_unknown = ["JPY", 1]',
        4,
        "arbitration.value_unknown",
    ),
    (
        '[[eligibility]]\nname = "a"\n'
        'when = [{ kind = "offer", price_at_least = 999999999999.123456789 }]',
        3,
        "eligibility[0].when[0].price_at_least",
    ),
    (
        '[[eligibility]]\nname = "a"\n'
        'when = [{ kind = "offer", price_at_least = 9007199254740993 }]',
        3,
        "eligibility[0].when[0].price_at_least",
    ),
    ('[[diversity]]\nfeature = "brand"\nlimit = 0', 3, "diversity[0].limit"),
    (
        '[exploration]\ntemperature = 0.5\n\n[[diversity]]\nfeature = "brand"\nlimit = 1\n\n'
        '[[diversity]]\nfeature = "size"\nlimit = 1',
        4,
        "diversity",
    ),
    ("[exploration]\ntemperature = 3", 2, "exploration.temperature"),
    ("[exploration]\nminutes = 0", 2, "exploration.minutes"),
    ("[holdout]\nshare = 0.6", 2, "holdout.share"),
    ("[candidates]\nitems = 0", 2, "candidates.items"),
]


def test_they_are_enough() -> None:
    """There are at least 50 broken policies, no two alike."""
    assert len({text for text, _, _ in BROKEN}) == len(BROKEN) >= 50


@pytest.mark.parametrize(("text", "line", "key"), BROKEN, ids=lambda value: str(value)[:60])
def test_each_mistake_is_told_by_line_and_key(text: str, line: int, key: str) -> None:
    """A policy with one mistake is refused, and told is just that: its line, its key, a wish."""
    with pytest.raises(BadPolicy) as raised:
        read_policy(text)
    assert [(mistake.line, mistake.key) for mistake in raised.value.mistakes] == [(line, key)]
    assert raised.value.mistakes[0].wanted


def test_all_mistakes_are_told_at_once() -> None:
    """Every mistake of a file is told, in the order of its lines."""
    text = '[holdout]\nshare = 2\n\n[contact]\nzone = "x"\n\n[exploration]\nminutes = 0'
    with pytest.raises(BadPolicy) as raised:
        read_policy(text)
    told = [(mistake.line, mistake.key) for mistake in raised.value.mistakes]
    assert told == [(2, "holdout.share"), (5, "contact.zone"), (8, "exploration.minutes")]


def test_too_long_a_file_is_refused() -> None:
    """A file of more than 256 KiB is refused before it is read."""
    with pytest.raises(BadPolicy, match="too long"):
        read_policy("#" * (BYTES + 1))


@given(st.text(alphabet='[]{}="\n\\#.aβ01', max_size=80))
def test_no_text_is_too_broken(text: str) -> None:
    """Whatever a file says, it is a policy or told what is wrong, with a line that it has."""
    with suppress(BadPolicy):
        read_policy(text)
        return
    with pytest.raises(BadPolicy) as raised:
        read_policy(text)
    lines = max(1, len(text.split("\n")))
    assert all(1 <= mistake.line <= lines for mistake in raised.value.mistakes)


def test_an_empty_file_is_the_built_in_policy() -> None:
    """Nothing said is the policy with every default, under the same digest."""
    assert read_policy("").digest == BUILT_IN.digest


def test_what_is_said_is_what_is_meant() -> None:
    """Every part of a file arrives in the policy as it was written."""
    policy = read_policy(
        '[[contact.caps]]\nname = "weekly"\nlimit = 2\ncalendar = "week"\nchannels = ["sms"]\n'
        '[[levers]]\nname = "push"\nowner = "brand"\nabout = { groups = ["g"] }\nfactor = 2\n'
        "until = 2027-01-01T00:00:00Z"
    )
    assert policy.contact.caps == (Cap(name="weekly", limit=2, calendar="week", channels=("sms",)),)
    assert policy.levers == (
        Lever(
            name="push",
            owner="brand",
            about=Selector(groups=("g",)),
            factor=2,
            until=datetime(2027, 1, 1, tzinfo=UTC),
        ),
    )


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.name)
def test_the_examples_are_right(file: Path) -> None:
    """Nothing is wrong with the example policies, and comments and order do not count."""
    text = file.read_text(encoding="utf-8")
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert read_policy(text).digest == read_policy(plain).digest != BUILT_IN.digest


MANY_MISTAKES = """
[contact]
outbound = ["emial"]
[[contact.caps]]
name = "Two"
limit = "two"
channels = ["mail"]
calendar = "wek"
[[levers]]
name = "x"
factor = 100
untill = 2026-01-01
about = { featurs = { a = ["b"] } }
[[eligibility]]
name = "e"
when = [{ kind = "atribute", name = "age" }, { kind = "event", type = "purchas", days = 900 }]
[holdout]
shre = 0.1
name = "A"
"""


def test_all_mistakes_are_told_in_one_round() -> None:
    """No mistake hides another, and each that is a slip of a name says which is meant."""
    with pytest.raises(BadPolicy) as refused:
        read_policy(MANY_MISTAKES)
    told = {f"{wrong.line}: {wrong.key}": wrong.wanted for wrong in refused.value.mistakes}
    assert {where: wanted.rpartition("did you mean ")[2] for where, wanted in told.items()} == {
        "3: contact.outbound": "email?",
        "5: contact.caps[0].name": told["5: contact.caps[0].name"],
        "6: contact.caps[0].limit": "want a whole number",
        "7: contact.caps[0].channels": "email?",
        "8: contact.caps[0].calendar": "week?",
        "9: levers[0]": told["9: levers[0]"],
        "11: levers[0].factor": "want 0.1 to 10",
        "12: levers[0].untill": "until?",
        "13: levers[0].about.featurs": "features?",
        "16: eligibility[0].when[0].kind": "attribute?",
        "16: eligibility[0].when[1].days": "want more than 0 to 366",
        "16: eligibility[0].when[1].type": "purchase?",
        "18: holdout.shre": "share?",
        "19: holdout.name": told["19: holdout.name"],
    }
    missing = {wrong.wanted for wrong in refused.value.mistakes if wrong.key == "levers[0]"}
    assert missing == {"want owner", "want until"}
