"""What a decision is asked, what it answers, and the record that is kept of it."""

import hashlib
import struct
from collections.abc import Sequence
from enum import IntEnum

import msgspec

from models.clock_time import MINUTE
from models.domain.catalogue import Item, Offer
from models.domain.names import DEFAULT_PREFIX
from models.domain.reasons import Reason
from models.domain.selectors import OfferHas, Selector

WITHHELD_MOST = 200  # offers withheld that a decision tells; the rest it counts


class Intent:
    """The built-in intents; a policy adds others that behave like one of them."""

    DEFAULT = "default"
    DISCOVERY = "discovery"
    REPLENISH = "replenish"
    SERVICE = "service"
    ALL = (DEFAULT, DISCOVERY, REPLENISH, SERVICE)


class Source(IntEnum):
    """How an offer came into the ranking; the numbers are the contract's."""

    HISTORY = 1
    POPULAR = 2
    REPLENISH = 3
    OWN = 4
    RELATED = 5
    NEW = 6


class Flag(IntEnum):
    """What is lesser about an answer; the numbers are the contract's."""

    COLD_START = 1
    STATE_UNAVAILABLE = 2
    CLOCK_SET = 3
    IDENTIFIERS_DISAGREE = 4
    FEWER_THAN_ASKED = 5
    NONE_ELIGIBLE = 6
    UNKNOWN_IDS = 7
    HELD_OUT = 8
    RELEASE_FALLBACK = 9
    POLICY_FALLBACK = 10
    HISTORY_BOUNDED = 11
    NOTHING_RESERVED = 12
    STORE_OLDER = 13


class ContextItem(msgspec.Struct, frozen=True, array_like=True):
    """An item before the customer right now: viewed, or in the cart."""

    item: str
    in_cart: bool = False


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one decision is asked: validated, without the identifiers.

    `about` and `having` are the caller's filter. `intent` and `count` are those of the placement
    where the caller named none.
    """

    channel: str
    placement: str = ""
    intent: str = Intent.DEFAULT
    place: str = ""
    count: int = 10
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    context: tuple[ContextItem, ...] = ()
    about: Selector = Selector()
    having: OfferHas = OfferHas()


class Because(msgspec.Struct, frozen=True, array_like=True):
    """One thing the customer did that speaks for an offer."""

    type: str
    item: str


class ScoreParts(msgspec.Struct, frozen=True, array_like=True):
    """What a score is the sum of, in units of 2^-20.

    `base` is what the customer's history says, `worth` the logarithm of value and levers, `noise`
    what exploration added.
    """

    base: int
    worth: int = 0
    noise: int = 0


class ShownOffer(msgspec.Struct, frozen=True, array_like=True):
    """One offer of the slate; `score` in units of 2^-20, `rank` from 1 in the one ranking.

    `rate` is what the score is worth by the release's calibration, None where it has none.
    `propensity` is the probability that the draws of exploration lead to a slate with this offer.
    """

    offer: str
    item: str
    rank: int
    tier: int
    score: int
    source: Source
    because: tuple[Because, ...] = ()
    propensity: float = 1.0
    rate: float | None = None
    score_parts: ScoreParts | None = None


class WithheldOffer(msgspec.Struct, frozen=True, array_like=True):
    """One offer of the ranking that is not shown; `stock_as_of` in microseconds or None.

    `rule` names what of the policy barred it, "" where nothing of it did.
    """

    offer: str
    rank: int
    reason: Reason
    stock_as_of: int | None = None
    rule: str = ""


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Every version that a ranking depends on; `minute` in microseconds, cut to the minute."""

    profile_version: int
    catalogue_revision: int
    release: str
    policy: str
    minute: int
    intent: str
    context: str


ROW_BYTES = 4  # of a row of the release's items in a record


class KeptCandidates(msgspec.Struct, frozen=True, array_like=True):
    """The offers of the ranking, in order, as small as they can be kept.

    `rows` are rows of the release's items as little-endian int32, -1 for what the release does not
    know; these, explicit offers and new items, stand in `named` by their ids. `leads` are the ids
    of the items that lead the named ones, `sources` a byte for each candidate. `worths` (int64)
    stand there where one is not 0; `open` (a byte each), and `classes` (int32), where exploration
    needs to know which of them might have been shown.
    """

    rows: bytes
    named: tuple[str, ...]
    leads: tuple[str, ...] = ()
    sources: bytes = b""
    worths: bytes = b""
    open: bytes = b""
    classes: bytes = b""

    @property
    def known(self) -> list[bool]:
        """Return which of them are default offers of items that the release knows."""
        return [row >= 0 for row in self._rows]

    def ids(self, items: Sequence[str]) -> list[str]:
        """Return the ids of the offers, given the release's items."""
        named = iter(self.named)
        return [next(named) if row < 0 else DEFAULT_PREFIX + items[row] for row in self._rows]

    @property
    def _rows(self) -> tuple[int, ...]:
        return struct.unpack(f"<{len(self.rows) // ROW_BYTES}i", self.rows)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of `decide`.

    `withheld` are the first `WITHHELD_MOST` of those that stand above the last offer shown, or of
    all where too few are shown. The first `shared` of `candidates` are tier 0. `label` is the
    release's: what a rate means. `contacted` are offers shown before that caps of a group looked
    at.
    """

    moment: Moment
    slate: tuple[ShownOffer, ...]
    withheld: tuple[WithheldOffer, ...]
    flags: tuple[Flag, ...]
    unknown_ids: int
    candidates: KeptCandidates
    shared: int
    label: str = ""
    contacted: tuple[str, ...] = ()

    @property
    def walked(self) -> int:
        """Return how many candidates were shown or withheld: from the first on, without a gap."""
        if Flag.FEWER_THAN_ASKED in self.flags or Flag.NONE_ELIGIBLE in self.flags:
            return len(self.candidates.rows) // ROW_BYTES
        return self.slate[-1].rank

    @property
    def withheld_more(self) -> int:
        """Return how many offers were withheld beyond those that `withheld` tells."""
        return self.walked - len(self.slate) - len(self.withheld)


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that replaying a decision needs beside the release.

    `profile` is the customer's blob as it was stored at that version; `rows` are what the decision
    used of the catalogue. `asked` is the identifier that the request came under. `currency` is what
    it compared amounts in, "" where it had none and every amount was unknown; None in records of
    before, which compared bare numbers. `exhausted` are the offers used up that the decision
    withheld beyond those it tells.
    """

    id: str
    customer: bytes
    time: int
    request: Request
    profile: bytes
    decision: Decision
    rows: tuple[Item | Offer, ...] = ()
    asked: bytes = b""
    currency: str | None = None
    exhausted: tuple[str, ...] = ()


def minute_of(now: int) -> int:
    """Cut a time in microseconds to the minute."""
    return now - now % MINUTE


def context_digest(context: tuple[ContextItem, ...]) -> str:
    """Return a short digest of context items, the same whatever their order; "" for none."""
    if not context:
        return ""
    said = msgspec.msgpack.encode(sorted({(entry.item, entry.in_cart) for entry in context}))
    return hashlib.sha256(said).hexdigest()[:16]
