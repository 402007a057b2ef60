"""What is in force before and after a change, as the commands that change it print it."""

from typing import NamedTuple

from models.release.histories import Pointer
from service.commands.answers import SHORT
from service.commands.terminal import output


class Half(NamedTuple):
    """A release's id or a policy's digest in force after a change, and before it; "" for none."""

    after: str
    before: str

    def __str__(self) -> str:
        if self.after == self.before:
            return f"{_short(self.after)} (unchanged)"
        return f"{_short(self.after)} (before: {_short(self.before)})"


def print_change(release: Half, policy: Half) -> None:
    """Print both halves of what is in force, whichever of them was changed."""
    output().print(f"Release: {release}\nPolicy:  {policy}", markup=False)


def print_moved(before: Pointer, after: Pointer) -> None:
    """Print what is in force by the pointer of a registry, and by the one before."""
    print_change(Half(after.release, before.release), Half(after.policy, before.policy))


def _short(digest: str) -> str:
    return digest[:SHORT] or "none"
