"""The reasons for which an offer is not shown: one declaration each, which the rest follows.

A new reason is one line here and one value of `WithholdReason` in the contract, under the same
number (then `make protos`); what decides on it yields a `Filter`, or an `Exclusion`, with it.
"""

from enum import IntEnum
from typing import Self


class Reason(IntEnum):
    """Why an offer of the ranking is not shown.

    The number is the contract's. `words` are what a person reads. `rechecked`: it counts again when
    an offer is clicked or redeemed, while the others held back only what was told.
    """

    words: str
    rechecked: bool

    def __new__(cls, number: int, words: str = "", rechecked: bool = False) -> Self:
        """Return the reason of this number."""
        reason = int.__new__(cls, number)
        reason._value_ = number
        reason.words = words
        reason.rechecked = rechecked
        return reason

    CHANNEL = 1, "not for this channel"
    OUT_OF_STOCK = 2, "out of stock here", True
    EXCLUDED = 3, "excluded by the request"
    NOT_INCLUDED = 4, "not among what the request includes"
    PURCHASED = 5, "bought lately"
    DECLINED = 6, "declined lately"
    IN_CONTEXT = 7, "before the customer already"
    DIVERSITY = 8, "enough alike stand above"
    BELOW_CUT = 9, "below what this channel's answer holds"
    TOUCHED = 10, "known to the customer already"
    NOT_ELIGIBLE = 11, "a rule of the policy bars it", True
    CAPPED = 12, "a cap on contacts is reached"
    QUIET_HOURS = 13, "quiet hours"
    OPEN_CASE = 14, "the customer has an open case"
    HOLDOUT = 15, "the customer is of the holdout"
    INTENT = 16, "not of a class that the intent shows"
    PLACEMENT = 17, "not for this placement"
    FILTERED = 18, "not let through by the request's filter"
    PRICE_EXPIRED = 19, "its price is no longer valid"
    EXHAUSTED = 20, "as many customers have it as may", True
    NO_CREATIVE = 21, "no creative for this channel"
    NO_CONSENT = 22, "the customer has not consented", True
    WITHDRAWN = 23, "withdrawn from the catalogue"
    NOT_VALID = 24, "not valid yet, or no longer"
    PRICE_CHANGED = 25, "dearer than the customer was told"
