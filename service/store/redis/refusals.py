"""What Redis refuses, by name: the code of its answer, and the kind of error that it is here."""

import re
from typing import Final

from service.store.database.backend import RefusedByDatabase, WritesRefused

# Reads go on: out of memory, a replica, a snapshot or an append that failed, too few replicas, and
# where no script may be run any more, by which all is written.
_NO_WRITES: Final = frozenset({"OOM", "READONLY", "MISCONF", "NOREPLICAS", "NOPERM, EVALSHA"})

# Redis before 7 wraps what a command in a script was answered in an error of its own.
_IN_SCRIPT: Final = re.compile(r"Error running script.*? -([A-Z]+)\b", re.DOTALL)
_CODE: Final = re.compile(r"[A-Z]+\b")
_COMMAND: Final = re.compile(r"permissions to run the '([a-z|]+)' command")


def refusal(name: str, error: Exception) -> RefusedByDatabase:
    """Return an answer of Redis that is an error, of the server called `name`, as one of ours."""
    text = told(error)
    kind = WritesRefused if text in _NO_WRITES else RefusedByDatabase
    return kind(text, name)


def code_of(error: Exception) -> str:
    """Return the code that an error of Redis begins with; "ERR" where it has none."""
    text = str(error)
    inner = _IN_SCRIPT.search(text)
    if inner is not None:
        return inner[1]
    # The client takes away a code that it knows, and leaves any other in the text.
    known = getattr(error, "status_code", None)
    found = _CODE.match(text)
    return known or ("ERR" if found is None else found[0])


def told(error: Exception) -> str:
    """Return what may be told of an error: its code, not its text, which may name a key.

    Of a right that is lacking, the command as well.
    """
    command = lacking(error)
    return code_of(error) if command is None else f"{code_of(error)}, {command}"


def lacking(error: Exception) -> str | None:
    """Return the command for which an error says that it is not permitted, in capitals."""
    found = _COMMAND.search(str(error))
    return None if found is None else found[1].upper()
