"""Why an event is refused is counted under a label that says it, for every reason that there is."""

import ast
import inspect
from collections.abc import Iterator

import pytest

from service.contract import event_messages, validation
from service.contract.refusals import Refusal
from service.metrics.events import OTHER, REFUSALS, refusal_label


def given_reasons() -> Iterator[str]:
    """Yield each reason that an event is refused for, as the code that refuses it has it."""
    for module in (validation, event_messages):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and len(node.args) == 2:
                if ast.unparse(node.func).rpartition(".")[2] in {"add_violation", "RefusedEvent"}:
                    yield ast.unparse(node.args[1])
            elif isinstance(node, ast.FunctionDef) and node.name == "_not_a_hash":
                returned = (at.value for at in ast.walk(node) if isinstance(at, ast.Return))
                yield from (ast.unparse(value) for value in returned if value is not None)


def test_events_are_refused_for_declared_reasons_only() -> None:
    """Whatever refuses an event names a `Refusal`, and each of them is named somewhere."""
    passed_on = {"reason", "str(check.violations[0])", "''"}
    given = set(given_reasons()) - passed_on
    assert [reason for reason in given if "Refusal." not in reason] == []
    assert {name for name in Refusal.__members__ if f"Refusal.{name}" in str(given)} == set(
        Refusal.__members__
    )


@pytest.mark.parametrize("refusal", Refusal)
@pytest.mark.parametrize("more", ["", "; max 64"])
def test_every_reason_has_a_label(refusal: Refusal, more: str) -> None:
    """A reason that events are refused for is one of the labels, and not `other`."""
    assert refusal_label(f"field: {refusal}{more}") in REFUSALS - {OTHER}


def test_no_two_reasons_share_a_label() -> None:
    """There are as many labels as reasons, and `other`."""
    assert len(REFUSALS) == len(Refusal) + 1


@pytest.mark.parametrize("detail", ["", "field", "field: something of 1999", "a: b: c"])
def test_anything_else_is_other(detail: str) -> None:
    """Whatever text comes, the label is of the closed list."""
    assert refusal_label(detail) == OTHER
