"""How many of something may come in."""

from models.domain.input.reasons import Refusal


def size_fault(size: int, limit: int, minimum: int = 0) -> str:
    """Return what is wrong with how many there are of something: `minimum` to `limit`."""
    if size < minimum:
        return Refusal.REQUIRED
    return f"{Refusal.TOO_MANY}; max {limit}" if size > limit else ""
