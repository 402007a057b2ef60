"""What becomes of a row of an index when the catalogue changes."""

from typing import NamedTuple

from models.domain.catalogue import Row


class RowChange(NamedTuple):
    """A row whose item or offer was `before` and is `after`; None where it was or is nobody's."""

    row: int
    before: Row | None
    after: Row | None
