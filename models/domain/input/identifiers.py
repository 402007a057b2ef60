"""Identifiers of customers that come in: a namespace, and a value that means somebody."""

import re
from collections.abc import Collection

from models.domain.identifiers import HASHED_NAMESPACES
from models.domain.input.names import name_fault
from models.domain.input.nobody import Nobody
from models.domain.input.reasons import Refusal
from models.domain.input.texts import id_fault

_SHA256 = re.compile(r"[0-9a-f]{64}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_PHONE = re.compile(r"\+?[0-9()./ -]{5,25}")


def namespace_fault(namespace: str, declared: Collection[str]) -> str:
    """Return what is wrong with a namespace."""
    return name_fault(namespace, declared)


def value_fault(namespace: str, value: str, nobody: Nobody | None) -> str:
    """Return what is wrong with an identifier's value; a clear address where its hash is wanted.

    With `nobody` None a value may mean nobody: what was stored under it can still be looked at.
    """
    fault = id_fault(value)
    if fault:
        return fault
    if namespace in HASHED_NAMESPACES and not _SHA256.fullmatch(value):
        if _EMAIL.fullmatch(value.strip()):
            return Refusal.CLEAR_E_MAIL
        if _PHONE.fullmatch(value.strip()):
            return Refusal.CLEAR_PHONE_NUMBER
        return Refusal.NOT_HASHED
    return Refusal.NOT_AN_IDENTIFIER if nobody is not None and value in nobody else ""
