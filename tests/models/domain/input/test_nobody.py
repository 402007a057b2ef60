"""Identifiers that mean nobody, in each spelling, hashed or not; and whoever is close to them."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.domain.input.nobody import BUILT_IN, fold, nobody

NOBODY = (
    *("None", "nil", "null", "NULL", " Null ", "NaN", "nan", "N/A", "#N/A", "<NA>", "-", "--", "?"),
    *("(not set)", "Not Set", "guest", "GUEST", "unknown", "anonymous", "undefined", "'undefined'"),
    *("[object Object]", "[object Undefined]", "true", "False", "-1", "0", "000", "0.0", "0x0"),
    *("00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
    *("{00000000-0000-0000-0000-000000000000}", "ffffffffffffffff", "00:00:00:00:00:00"),
    *("02:00:00:00:00:00", "9774d56d682e549c", "${USER_ID}", "${user.id}", "{{user_id}}"),
    *("{{ user.id | default }}", "{user_id}", "#{id}", "%user%", "%%EMAIL%%", "<% id %>", "<id>"),
    *("[[user]]", "*|UNIQID|*", "__USER_ID__", "$user_id", "\u200b", "\ufeff\u200d", "\u3164"),
    *("\u2800", "\u00a0", "n\u200bull", "\uff4e\uff55\uff4c\uff4c", "\uff10", "...", '""'),
    *("test@test.com", "noreply@example.com", "ann@example.org", "me@localhost", "x@a.invalid"),
)
SOMEBODY = (
    *(
        "1",
        "10",
        "L1",
        "001",
        "c-1",
        "f",
        "ff",
        "fffffff",
        "0f",
        "nullmann",
        "Guestrow",
        "truelove",
    ),
    *("anna@beispiel.de", "test@testing.de", "none-7", "unknown-4711", "undefined1", "Ärger 12"),
    *("{6f9619ff-8b86-d011-b42d-00c04fc964ff}", "9774d56d682e549d", "+491701234567", "$5", "50%"),
    *("00000000-0000-0000-0000-000000000001", "naN1", "\u5f20\u4e09", "user_id_7", "<7>", "😀"),
)


@pytest.mark.parametrize("value", NOBODY)
def test_what_means_nobody(value: str) -> None:
    """Whatever a program sends that had nothing to send means nobody, however it is spelled."""
    assert value in BUILT_IN


@pytest.mark.parametrize("value", SOMEBODY)
def test_who_is_close(value: str) -> None:
    """An identifier that only looks like one of these is somebody's."""
    assert value not in BUILT_IN


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "NULL", "None", "NaN", "N/A", "0", "undefined", "(not set)", "Unknown"),
        *("noreply@noreply.com", "test@test.com", "0000000000", "+1234567890", "[object Object]"),
    ],
)
def test_a_hash_of_nobody(text: str) -> None:
    """The SHA-256 of what means nobody means nobody."""
    assert hashlib.sha256(text.encode()).hexdigest() in BUILT_IN


def test_more_values() -> None:
    """What a setting adds means nobody, too, in each spelling and hashed; nothing else changes."""
    more = nobody(["Walk-In", "9999999999"])
    for value in ("walk-in", " WALK-IN ", "(Walk-in)", "9999999999"):
        assert value in more
        assert value not in BUILT_IN
    assert hashlib.sha256(b"walk-in").hexdigest() in more
    assert all(value in more for value in NOBODY)


@given(st.sampled_from(NOBODY), st.text(" \t\u00a0\u200b", max_size=3))
def test_blanks_around_change_nothing(value: str, around: str) -> None:
    """Blanks that can be seen or not make nobody no somebody."""
    assert around + value + around in BUILT_IN


@given(st.text(max_size=40))
def test_a_fold_is_its_own_fold(value: str) -> None:
    """Folded twice is folded once, as far as membership goes."""
    assert (value in BUILT_IN) == (fold(value) in BUILT_IN)
