"""Texts that come in: how long they may be, and which characters they may not have."""

import re

from models.domain.input import limits
from models.domain.input.reasons import Refusal

# C0 and C1 controls, line separators, the marks that reorder text, and lone surrogates.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def text_fault(value: str, limit: int, required: bool = False) -> str:
    """Return what is wrong with a text of at most `limit` bytes."""
    if value.isascii() and value.isprintable() and 0 < len(value) <= limit:
        return ""
    if not value:
        return Refusal.REQUIRED if required else ""
    if len(value) > limit or len(value.encode(errors="replace")) > limit:
        return f"{Refusal.TOO_LONG}; max {limit}"
    return Refusal.CONTROL_CHARACTER if _CONTROL.search(value) else ""


def id_fault(value: str, required: bool = True) -> str:
    """Return what is wrong with an id: 1 to 256 bytes without control characters."""
    return text_fault(value, limits.ID_BYTES, required)
