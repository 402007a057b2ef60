"""Why an event is refused is counted under a label that says it, for every reason that there is."""

import ast
import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules

import pytest

from models.domain import input as rules
from models.domain.input.reasons import Refusal
from service.contract import event_messages, validation
from service.metrics.events import OTHER, REFUSALS, refusal_label

RULES = rules.__path__


def named_reasons() -> Iterator[str]:
    """Yield the reasons that the rules for what comes in, and what reads events, give."""
    modules = [event_messages, validation]
    modules += [import_module(f"{rules.__name__}.{found.name}") for found in iter_modules(RULES)]
    for module in modules:
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Refusal":
                yield node.attr


def test_each_reason_is_given() -> None:
    """Each declared reason is one that some rule gives."""
    assert set(named_reasons()) == set(Refusal.__members__)


def test_events_are_refused_for_declared_reasons_only() -> None:
    """What reads events gives no reason in words of its own."""
    for node in ast.walk(ast.parse(inspect.getsource(event_messages))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".add_violation"):
            assert isinstance(node.args[1], ast.Attribute), ast.unparse(node)


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
