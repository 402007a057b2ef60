"""Rows of a catalogue: each state is as a dict of its own would be, packed or not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain import packed_rows, row_map
from models.domain.catalogue import Item, Money, Stock
from models.domain.packed_rows import PackedRows
from models.domain.row_map import RowMap
from models.domain.string_table import StringTable
from models.numeric.array_file import map_arrays, write_arrays

ids = st.sampled_from([f"item{number}" for number in range(30)])
rows = st.builds(
    Item,
    id=ids,
    title=st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    features=st.dictionaries(st.sampled_from("ab"), st.lists(st.sampled_from("xy"), min_size=1)),
    price=st.none() | st.builds(Money, st.just("EUR"), st.integers(-(2**63), 2**63 - 1)),
    valid_from=st.none() | st.integers(-(2**63), 2**63 - 1),
    stock=st.lists(st.builds(Stock, st.just("north"), st.integers(0, 9), st.integers(0, 9))).map(
        tuple
    ),
    groups=st.lists(st.sampled_from("pq"), max_size=2).map(tuple),
)


def by_id(items: list[Item]) -> dict[str, Item]:
    """Return items by their ids."""
    return {item.id: item for item in items}


@pytest.mark.parametrize("few", [0, 6, 100], ids=["packed", "partly", "not"])
def test_every_state_is_as_a_dict(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any changes each state, the earlier ones too, has its own rows and no others."""
    monkeypatch.setattr(row_map, "FEW", few)
    monkeypatch.setattr(packed_rows, "KEPT", 3)

    @settings(max_examples=60, deadline=None)
    @given(st.lists(rows, max_size=20), st.lists(st.lists(rows, max_size=6), max_size=6))
    def holds(first: list[Item], later: list[list[Item]]) -> None:
        plain = [by_id(first)]
        states = [RowMap(plain[0], Item)]
        for changes in later:
            plain.append({**plain[-1], **by_id(changes)})
            states.append(states[-1].updated(by_id(changes)))
        for wanted, found in zip(plain, states, strict=True):
            for state in (found, found.packed()):
                assert dict(state.items()) == wanted
                assert len(state) == len(wanted)
                assert list(state.ordered_ids()) == sorted(wanted)
                assert sorted(row.id for row in state.rows()) == sorted(wanted)
                for name in (f"item{number}" for number in range(30)):
                    assert state.get(name) == wanted.get(name)
                    assert (name in state) is (name in wanted)
            for order in (found.packed().ordered_ids(), StringTable([*sorted(wanted), "other"])):
                assert isinstance(order, StringTable)
                assert [*found.in_order_of(order)] == [wanted.get(name) for name in order]

    holds()


@settings(max_examples=60)
@given(st.lists(rows, max_size=12), st.lists(st.lists(rows, max_size=4), min_size=1, max_size=4))
def test_what_changed_between_two_states_is_found(
    first: list[Item], later: list[list[Item]]
) -> None:
    """It is every row that was written since, equal or not, and no other."""
    states = [RowMap(by_id(first), Item).packed()]
    for changes in later:
        states.append(states[-1].updated(by_id(changes)))
    for at, before in enumerate(states):
        written = {row.id for changes in later[at:] for row in changes}
        found = before.changed_in(states[-1])
        assert found is not None
        assert sorted(found) == sorted(written)
    packed_anew = states[0].changed_in(states[-1].packed()) is None
    assert packed_anew is any(later)


def test_rows_are_mapped_as_they_were_written(tmp_path: Path) -> None:
    """Rows that are mapped from a file are those that were packed."""
    items = {f"item{number}": Item(id=f"item{number}", title="x" * number) for number in range(9)}
    write_arrays(tmp_path / "rows", RowMap(items, Item).packed().arrays())
    assert dict(RowMap.of_arrays(map_arrays(tmp_path / "rows"), Item)) == items


def test_what_is_read_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of rows that were asked for only so many are objects."""
    monkeypatch.setattr(packed_rows, "KEPT", 3)
    packed = PackedRows({f"{number}": Item(id=f"{number}") for number in range(50)}, Item)
    assert all(packed[f"{number}"].id == f"{number}" for number in range(50))
    assert len(packed._kept) <= 3
