"""What a decision follows from: nothing else, so that equal inputs give equal answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from models.decision.recorded import RecordedCandidates
from models.domain.decisions import Flag, Request
from models.domain.exchange import Exchange
from models.domain.profile import Profile
from models.policy.currency import exchange_of, stated_currency
from models.policy.schema import Policy
from models.ranking.offer_index import OfferIndex

_OF_THE_CATALOGUE = Exchange("")  # stands for what policy and catalogue say


@dataclass(frozen=True)
class SharedInputs:
    """The inputs that decisions of one moment share, whichever customer they are about.

    `exhausted` are offers that are used up: nobody gets one who has not had one. `score_lifts` are
    what a counterfactual adds to the scores of offers, by id, in units of 2^-20. `flags` are what
    the server says of every decision with them; nothing follows from them. `exchange` is what
    amounts are compared in: that of a recorded decision, else of the policy and the catalogue.
    """

    index: OfferIndex
    policy: Policy
    exhausted: frozenset[str] = frozenset()
    score_lifts: Mapping[str, int] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    exchange: Exchange = _OF_THE_CATALOGUE

    def __post_init__(self) -> None:
        if self.exchange is _OF_THE_CATALOGUE:
            currency = stated_currency(self.policy) or self.index.catalogue.currency
            object.__setattr__(self, "exchange", exchange_of(self.policy, currency))


class DecisionInputs(NamedTuple):
    """The inputs of one decision at `now` (microseconds).

    With `recorded` nothing is searched for: the candidates are those of a decision made before.
    `profile_unavailable`: the store did not answer, so nothing is known of the customer.
    `nothing_reserved`: it takes no write, so nothing can be reserved. Either way no hard cap lets
    anything through.
    """

    profile: Profile
    shared: SharedInputs
    request: Request
    now: int
    recorded: RecordedCandidates | None = None
    profile_unavailable: bool = False
    nothing_reserved: bool = False
