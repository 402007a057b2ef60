"""Tells once that amounts are unknown: a catalogue of several currencies, and a policy of none."""

import structlog

from models.domain.catalogue import Catalogue
from models.policy.currency import stated_currency
from models.policy.schema import Policy

_log = structlog.get_logger(__name__)


class MixedCurrencies:
    """Looks at what is served each time it changes."""

    def __init__(self) -> None:
        self._told = False

    def look(self, policy: Policy, catalogue: Catalogue) -> None:
        """Log a warning where amounts have become unknown since the last look."""
        mixed = not stated_currency(policy) and len(catalogue.currencies) > 1
        if mixed and not self._told:
            _log.warning(
                "amounts unknown: several currencies, and the policy states none",
                currencies=sorted(catalogue.currencies),
                policy=policy.digest,
            )
        self._told = mixed
