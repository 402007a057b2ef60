"""What an answer of Redis must be: whatever is another is a fault, never taken for data."""

from typing import Any


def to_bytes(answer: Any) -> bytes:
    """Return an answer that is bytes; raises `TypeError` for any other."""
    if not isinstance(answer, bytes):
        raise TypeError("not bytes")
    return answer


def to_nothing(answer: Any) -> None:
    """Read an answer that says no more than yes; raises `TypeError` for any other."""
    if answer != b"OK":
        raise TypeError("not a yes")


def to_done(answer: Any, front: bytes) -> bool:
    """Tell whether the script stored the blob with that front."""
    if answer != front and answer != 0:
        raise ValueError("neither done nor refused")
    return bool(answer == front)
