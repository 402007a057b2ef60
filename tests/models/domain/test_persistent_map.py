"""A persistent map: each state is as a dict of its own would be, and stays so."""

from hypothesis import given, settings
from hypothesis import strategies as st

from models.domain.persistent_map import PersistentMap

entries = st.dictionaries(st.integers(0, 60), st.integers(), max_size=40)


class Value:
    """Something that equals others and is not them."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value)

    __hash__ = None  # type: ignore[assignment]


@settings(max_examples=200)
@given(entries, st.lists(entries, max_size=8))
def test_every_state_is_as_a_dict(first: dict[int, int], later: list[dict[int, int]]) -> None:
    """After any changes each state, the earlier ones too, has its own entries and no others."""
    plain = [dict(first)]
    states = [PersistentMap(first)]
    for changes in later:
        plain.append({**plain[-1], **changes})
        states.append(states[-1].updated(changes))
    for expected, found in zip(plain, states, strict=True):
        assert len(found) == len(expected)
        assert dict(found.items()) == expected
        assert sorted(found) == sorted(expected)
        assert all(found[key] == expected[key] for key in expected)
        assert all((key in found) is (key in expected) for key in range(61))
        assert [found.get(key, -1) for key in range(61)] == [
            expected.get(key, -1) for key in range(61)
        ]


@settings(max_examples=100)
@given(st.lists(st.sets(st.integers(0, 300)), min_size=1, max_size=8))
def test_what_changed_between_two_states_is_found(batches: list[set[int]]) -> None:
    """It is every key whose value is another one, were it equal, and no other key."""
    states: list[PersistentMap[int, Value]] = [PersistentMap()]
    for keys in batches:
        states.append(states[-1].updated({key: Value() for key in keys}))
    for at, before in enumerate(states):
        expected = set().union(*batches[at:])
        found = before.changed_in(states[-1])
        assert sorted(found) == sorted(expected)


def test_a_change_copies_little() -> None:
    """Of 100,000 entries a change leaves all chunks but its own to both states."""
    before = PersistentMap({f"key{number}": number for number in range(100_000)})
    after = before.updated({"key7": 8, "other": 9})
    shared = sum(a is b for a, b in zip(before._chunks, after._chunks, strict=True))
    assert len(before._chunks) - 2 <= shared < len(before._chunks)
    assert max(map(len, after._chunks)) < 1_000
