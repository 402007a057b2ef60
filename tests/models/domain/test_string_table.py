"""Tables of strings: a number for each string, a string for each number, and no other."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain import string_table
from models.domain.string_table import StringTable
from models.numeric.array_file import map_arrays, write_arrays

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.lists(texts, unique=True, max_size=40), st.lists(texts, max_size=20))
def test_a_table_is_as_a_list_and_a_dict(strings: list[str], others: list[str]) -> None:
    """Every string has its place as its number, whatever it is made of, and no other string any."""
    table = StringTable(strings)
    assert list(table) == strings
    assert len(table) == len(strings)
    assert table[:] == strings
    assert [table[number - len(strings)] for number in range(len(strings))] == strings
    numbers = {string: number for number, string in enumerate(strings)}
    for string in [*strings, *others, *strings]:
        assert table.number(string) == numbers.get(string)
        assert table.numbers.get(string, -1) == numbers.get(string, -1)
        assert (string in table) is (string in table.numbers) is (string in numbers)
    assert dict(table.numbers) == numbers


def test_what_is_not_in_a_table_is_told() -> None:
    """A number or a string that a table does not have is an error, as with a list or a dict."""
    table = StringTable(["a"])
    with pytest.raises(IndexError):
        table[1]
    with pytest.raises(KeyError):
        table.numbers["b"]


@settings(max_examples=20)
@given(st.lists(texts, unique=True, max_size=40))
def test_a_process_with_other_hashes_finds_all(strings: list[str]) -> None:
    """A table whose slots were made by other hashes of strings finds each string all the same."""
    arrays = StringTable(strings).arrays()
    arrays["probe"] = arrays["probe"] + 1
    arrays["slots"] = arrays["slots"][::-1].copy()
    table = StringTable.of_arrays(arrays)
    assert [table.number(string) for string in strings] == list(range(len(strings)))


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the numbers that were asked for only so many are kept."""
    monkeypatch.setattr(string_table, "KEPT", 3)
    table = StringTable(map(str, range(100)))
    assert [table.number(str(number)) for number in range(100)] == list(range(100))
    assert len(table._kept) <= 3


def test_a_mapped_table_is_the_table(tmp_path: Path) -> None:
    """A table that is mapped from a file is the one that was written, an empty one too."""
    for strings in ([], ["", "ü", "item"]):
        write_arrays(tmp_path / "table", StringTable(strings).arrays())
        table = StringTable.of_arrays(map_arrays(tmp_path / "table"))
        assert list(table) == strings
        assert [table.number(string) for string in strings] == list(range(len(strings)))
