"""Why an offer is not shown: one type, whatever it is that excludes it."""

from typing import NamedTuple

from models.domain.reasons import Reason
from models.domain.selectors import Selector


class Exclusion(NamedTuple):
    """Why an offer is not shown, by which rule, and until when (microseconds).

    `rule` is the policy's name for it, "" where nothing of the policy excludes it; `until` is None
    where no time ends it, or nobody asks.
    """

    reason: Reason
    rule: str = ""
    until: int | None = None


class SelectorExclusion(NamedTuple):
    """The offers of a selector are excluded; with `offers`, only those of them."""

    exclusion: Exclusion
    about: Selector
    offers: frozenset[str] | None = None
