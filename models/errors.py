"""The errors of the domain, and nothing else.

    ThroughlineError
    ├── BadInput            a value that is wrong whatever the state; names the field
    ├── TooManyIdentifiers  a link would make a customer larger than one may be
    ├── BadDataset          a dataset or a row of one that cannot be used
    ├── BadRelease          a release that must not be loaded; names the file
    ├── WrongKey            identifiers hashed under another key
    ├── StoreUnavailable    the store did not answer; a retry is safe
    │   └── Unreadable      what it holds under a key is damaged, or of a later version
    └── Conflict            somebody else changed it first; read again and retry

An unknown customer, item or offer is data, never an error.
"""


class ThroughlineError(Exception):
    """Any error of Throughline's own; its text is safe to show and holds no personal value."""


class BadInput(ThroughlineError):
    """A value that is wrong whatever the state: `field` says where, `reason` what to do."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class TooManyIdentifiers(ThroughlineError):
    """A link that would make a customer of more identifiers than one may have; nothing changed."""


class BadDataset(ThroughlineError):
    """A dataset, or a row of one, that cannot be used; the text names file, row and column."""


class BadRelease(ThroughlineError):
    """A release that must not be loaded; the text starts with the file at fault."""


class WrongKey(ThroughlineError):
    """The identifiers at hand were hashed under another key."""


class StoreUnavailable(ThroughlineError):
    """The store did not answer; what it stored is not known, and the call may be sent again.

    `reason` may be told to anybody; the text begins with `where` the database is, which callers of
    the service are not told.
    """

    def __init__(self, reason: str, where: str = "") -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.reason = f"store: {reason}" if where else reason


class Unreadable(StoreUnavailable):
    """What the store holds under a key is damaged, or of a later version; it is left as it is."""


class Conflict(ThroughlineError):
    """The state changed between reading and writing; read again and retry."""


class Held(ThroughlineError):
    """A promotion that the gate refuses; another release, or a stated reason, passes it."""
