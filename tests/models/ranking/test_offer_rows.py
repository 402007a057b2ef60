"""Rows of a catalogue's offers: taken as they come, in the order of ids, and never taken twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.catalogue import Catalogue, Item, Offer
from models.ranking import offer_rows, row_ids
from models.ranking.offer_rows import OfferRows

ids = st.text("abc", min_size=1, max_size=5)


def rows_of(items: set[str], sets: set[str] = frozenset()) -> OfferRows:  # type: ignore[assignment]
    """Return the rows of a catalogue of these."""
    return OfferRows(
        Catalogue(
            1, {name: Item(id=name) for name in items}, {name: Offer(id=name) for name in sets}
        )
    )


def in_order(rows: OfferRows, names: set[str]) -> bool:
    """Tell whether ties between offers go by their ids."""
    ranks = [int(rows.tie_ranks[rows.row_of(name) or 0]) for name in sorted(names)]
    return ranks == sorted(ranks) and len(set(ranks)) == len(ranks)


@pytest.mark.parametrize("ranks", [1 << 61, 1 << 17], ids=["wide", "no room between ranks"])
def test_whoever_comes_has_a_place_in_the_order(
    ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However ids arrive, and where neighbours leave no room, ties go by ids, in every state."""
    monkeypatch.setattr(offer_rows, "_RANKS", ranks)
    monkeypatch.setattr(row_ids, "VACANT_SHARE", 1)

    @settings(max_examples=150)
    @given(st.sets(ids, min_size=4), st.sets(ids, min_size=4), st.lists(ids, max_size=12))
    def holds(items: set[str], sets: set[str], later: list[str]) -> None:
        rows = rows_of(items, {f"set:{name}" for name in sets})
        names = {f"item:{name}" for name in items} | {f"set:{name}" for name in sets}
        states = [(rows, names)]
        for at, name in enumerate(later):
            more = ([name], []) if at % 2 else ([], [f"set:{name}"])
            taken = states[-1][0].taking(*more)
            if taken is None:
                break
            states.append((taken, {*states[-1][1], f"item:{name}" if at % 2 else f"set:{name}"}))
        every = states[-1][1]
        for state, there in states:
            assert in_order(state, there)
            assert all((state.row_of(name) is not None) is (name in there) for name in every)
            assert state.items + state.sets == len(there)
            taken_rows = [state.row_of(name) for name in there]
            assert len(set(taken_rows)) == len(there)

    holds()


def test_who_moves_stands_elsewhere_from_then_on() -> None:
    """The state before finds an offer where it stood, the one after it in its new row."""
    before = rows_of({f"i{number:02}" for number in range(40)})
    after = before.taking(["i07"], [])
    assert after is not None
    assert (before.row_of_item("i07"), after.row_of_item("i07")) == (7, 40)
    assert (before.items, after.items) == (40, 40)
    assert after.tie_ranks[40] == before.tie_ranks[7]
    assert in_order(after, {f"item:i{number:02}" for number in range(40)})


def test_no_row_is_taken_twice() -> None:
    """Of two states that follow the same one only the first takes rows, and none too many."""
    before = rows_of({f"i{number:02}" for number in range(16)})
    first = before.taking(["a"], [])
    assert first is not None
    assert before.taking(["b"], []) is None
    assert first.taking(["b", "c"], []) is None  # of two vacant rows one is left
    assert first.taking(["c"], []) is not None
    assert first.row_of_item("b") is None
