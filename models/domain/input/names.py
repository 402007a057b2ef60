"""Names that come in: of a channel, an event type, a currency; a refusal says which there are."""

from collections.abc import Collection

from models.domain.input import limits
from models.domain.input.reasons import Refusal
from models.domain.names import is_name
from models.domain.nearest import did_you_mean

LISTED = 32  # names that are told one by one; of more only the nearest


def name_fault(value: str, declared: Collection[str] = (), required: bool = True) -> str:
    """Return what is wrong with a name; where there are declared ones it must be one of them."""
    if not value:
        return Refusal.REQUIRED if required else ""
    if len(value) > limits.NAME_BYTES:
        return f"{Refusal.TOO_LONG}; max {limits.NAME_BYTES}"
    if value in declared:
        return ""
    if not is_name(value):
        return f"{Refusal.NOT_A_NAME}{choices(value, declared)}"
    return f"{Refusal.UNKNOWN}{choices(value, declared)}" if declared else ""


def choices(value: str, declared: Collection[str], folded: bool = True) -> str:
    """Return what follows a refusal of `value`: the nearest of what is declared, and all of it."""
    if not declared:
        return ""
    said = value.strip().lower().replace("-", "_").replace(" ", "_") if folded else value.strip()
    meant = did_you_mean(said, sorted(declared))
    if len(declared) > LISTED:
        return meant
    return f"{meant}{' ' if meant else '; '}one of {', '.join(sorted(declared))}"
