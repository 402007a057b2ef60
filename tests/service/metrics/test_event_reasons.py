"""Why an event is refused is counted under a label that says it, for every reason that there is."""

import ast
import inspect
from collections.abc import Iterator

import pytest

from service.contract import event_messages, validation
from service.metrics.events import OTHER, REFUSALS, refusal_label


def text_of(node: ast.expr) -> str:
    """Return the text that an expression makes, with 7 for what is filled in; "" for others."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or "7" for part in node.values)
    return ""


def reasons() -> Iterator[str]:
    """Yield every `<field>: <reason>` that the code tells about a wrong value of an event."""
    for module in (validation, event_messages):
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Call) and len(node.args) == 2:
                called = ast.unparse(node.func).rpartition(".")[2]
                said = text_of(node.args[1])
                if called == "add_violation" and said:
                    yield f"field: {said}"
                elif called == "RefusedEvent" and said:
                    yield said
            elif isinstance(node, ast.FunctionDef) and node.name == "_not_a_hash":
                for inner in ast.walk(node):
                    said = text_of(inner) if isinstance(inner, ast.Constant) else ""
                    if said:
                        yield f"field: {said}"


@pytest.mark.parametrize("detail", sorted(set(reasons())))
def test_every_reason_has_a_label(detail: str) -> None:
    """A reason that events are refused for is one of the labels, and not `other`."""
    assert refusal_label(detail) in REFUSALS - {OTHER}


def test_no_label_without_a_reason() -> None:
    """Each label but `other` is that of a reason in the code."""
    assert {refusal_label(detail) for detail in reasons()} == REFUSALS - {OTHER}


@pytest.mark.parametrize("detail", ["", "field", "field: something of 1999", "a: b: c"])
def test_anything_else_is_other(detail: str) -> None:
    """Whatever text comes, the label is of the closed list."""
    assert refusal_label(detail) == OTHER
