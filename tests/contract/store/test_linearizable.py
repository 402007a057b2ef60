"""Links, unlinks and events that come between each other's writes are those of one order."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from itertools import combinations_with_replacement
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.store.database.backend import Backend
from tests.support.backends import Interrupted, store_over
from tests.support.identities import STEP, Model, Step, modelled, told, walk
from tests.support.proof_table import Proof

pytestmark = pytest.mark.machine

WRITES = 6  # of one step, at most

# Three who are one customer by two links, beside one of a smaller id.
COMPANY: list[Step] = [("event", 0, 0), ("link", 1, 2), ("link", 2, 3)]


class Call(NamedTuple):
    """A step by a process of its own, and what other calls do before its `at`-th write."""

    step: Step
    at: int = 0
    between: Sequence["Call"] = ()


_AT = st.integers(1, WRITES)
_plain = STEP.map(Call)
_crossed = st.builds(Call, STEP, _AT, st.tuples(_plain))
_twice_crossed = st.builds(Call, STEP, _AT, st.lists(_plain | _crossed, min_size=1, max_size=2))


class Names:
    """A name for each call, by which it links and records."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}

    def __call__(self, call: Call) -> str:
        """Return the name of this very call."""
        return self._names.setdefault(id(call), f"call{len(self._names)}")


def run_call(
    backend: Backend, people: Sequence[bytes], call: Call, name: Names, answers: dict[str, object]
) -> None:
    """Do a call, and the calls between its writes if it writes so often; keep what each is told."""

    def come_between() -> None:
        for one in call.between:
            run_call(backend, people, one, name, answers)

    database = Interrupted(backend, call.at, True, come_between)
    answers[name(call)] = told(store_over(database), people, call.step, name(call))


def orders(call: Call, name: Names, made: Mapping[str, object]) -> Iterator[list[Call]]:
    """Yield every order in which a call, and those between its writes that were `made`, may count.

    A link that was taken back before its call ended is made again by that call, as if it had been
    sent again: so it may count at two moments.
    """
    for around in _in_turn([one for one in call.between if name(one) in made], name, made):
        for first, last in combinations_with_replacement(range(len(around) + 1), 2):
            if first == last:
                yield [*around[:first], call, *around[first:]]
            elif call.step[0] == "link":
                yield [*around[:first], call, *around[first:last], call, *around[last:]]


def _in_turn(
    calls: Sequence[Call], name: Names, made: Mapping[str, object]
) -> Iterator[list[Call]]:
    if not calls:
        yield []
        return
    for first in orders(calls[0], name, made):
        for others in _in_turn(calls[1:], name, made):
            yield first + others


@pytest.mark.parametrize("histories", [500, pytest.param(10_000, marks=pytest.mark.prove)])
def test_whatever_comes_between_two_writes_came_before_or_after(
    backend: Backend, proof: Proof, histories: int
) -> None:
    """A call that others come between, and others between theirs, counts as if at one moment.

    What each was told, and all that is kept, are those of one order of the calls, one by one.
    """
    other = store_over(backend)

    @given(st.lists(STEP, max_size=8), st.permutations(range(5)), _twice_crossed)
    @settings(max_examples=histories)
    @example(COMPANY, range(5), Call(("link", 0, 2), 2, [Call(("link", 1, 3))]))
    @example(COMPANY, range(5), Call(("link", 0, 2), 2, [Call(("unlink", 2, 3))]))
    @example(COMPANY, range(5), Call(("link", 0, 2), 2, [Call(("unlink", 1, 2))]))
    def run(before: Sequence[Step], order: Sequence[int], call: Call) -> None:
        start = walk([other], before, order)
        name = Names()
        answers: dict[str, object] = {}
        run_call(backend, start.people, call, name, answers)
        fresh = store_over(backend)
        for calls in orders(call, name, answers):
            model: Model = deepcopy(start)
            said = {name(one): modelled(model, one.step, name(one)) for one in calls}
            if said == answers and not model.differs(fresh):
                return
        raise AssertionError(f"of no order: {answers}, {model.differs(fresh)}")

    run()
    proof(
        "E1 links can be undone",
        f"{histories:,} calls that others come between, {type(backend).__name__}",
        "each is as if made at one moment",
    )
