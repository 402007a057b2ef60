"""Ids that a tool has spoilt, or that one thing has two of."""

import pytest

from models.domain.dataset import Metadata
from tests.support.checked_data import Rows, articles, checked, event, findings, shop
from training.checks.checked_dataset import CheckedDataset


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        ("id-nothing", "NULL"),
        ("id-nothing", " n/a "),
        ("id-nothing", " "),
        ("id-float", "12345.0"),
        ("id-rounded", "1.2E+05"),
        ("id-rounded", "9e+05"),
        ("id-email", "jo@shop.example"),
    ],
)
@pytest.mark.parametrize("column", ["identifier", "item"])
def test_spoilt_ids_are_told_by_kind(check: str, bad: str, column: str) -> None:
    """An id of each spoilt form is told, whether it is a customer's or an item's."""
    items: Rows = [*articles(), {"item": bad, "features": "{}"}] if column == "item" else articles()
    found = findings(checked([*shop(), event(1, 0, **{column: bad})], items=items))
    assert check in found
    assert ("item" if column == "item" else "loyalty") in found[check].what


def test_ids_that_only_look_odd_pass() -> None:
    """Zero, article numbers with E, decimals and the word none within a name are ids."""
    odd = ["0", "1E5", "12.50", "none-stick 20", "a@b2"]
    rows = [*shop(), *(event(1, at, item=item) for at, item in enumerate(odd))]
    items: Rows = [*articles(), *({"item": item, "features": '{"brand": "b"}'} for item in odd)]
    assert findings(checked(rows, items=items)) == {}


def test_an_address_is_not_repeated() -> None:
    """The example of an e-mail address shows its domain alone."""
    found = findings(checked([*shop(), event(1, 0, identifier="jo@shop.example")]))
    assert found["id-email"].example == "…@shop.example"


@pytest.mark.parametrize("other", ["c001", "C001 ", "C 001", "Ｃ001"])
def test_ids_that_differ_by_form_are_told(other: str) -> None:
    """Two ids of one namespace that a person would read alike are told, both of them shown."""
    found = findings(checked([*shop(), event(1, 0, identifier=other)]))
    assert set(found) == {"id-alike"}
    assert found["id-alike"].count == 2
    assert repr(other) in found["id-alike"].example


def test_keyed_identifiers_have_no_form() -> None:
    """Identifiers that are keyed hashes are not looked at; ids of items are."""
    plain = checked([*shop(), event(1, 0, identifier="12345.0", item="7.0")])
    keyed = CheckedDataset(
        Metadata(kind="timed", source="test", identifiers="keyed"), plain.tables, plain.now
    )
    assert findings(keyed)["id-float"].what == "ids of item end in .0"
