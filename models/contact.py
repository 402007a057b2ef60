"""What the contact policy says of one customer at one moment: closed, suspended, capped."""

from typing import NamedTuple

from models.decision import Closed, ContextItem, Reason
from models.eligibility import cooling
from models.policy import Policy, Selector
from models.profile import View


class Suspended(NamedTuple):
    """Offers of `about` are withheld for now."""

    reason: Reason
    rule: str
    about: Selector


class Capped(NamedTuple):
    """The cap `rule` is reached for offers of `about`; of these, for `offers` only unless None."""

    rule: str
    about: Selector
    offers: frozenset[str] | None


class Contacts:
    """Answers for one customer at `now` (microseconds); `intent` is a built-in one."""

    def __init__(
        self,
        view: View,
        policy: Policy,
        now: int,
        intent: str,
        context: tuple[ContextItem, ...],
    ) -> None:
        self._view = view
        self._policy = policy
        self._now = now
        self._intent = intent
        self._context = context

    def closed(self) -> dict[str, Closed]:
        """Return the offers that are not shown on any channel: cooling down, or before them now."""
        found = cooling(self._view, self._context, self._policy, self._now, self._intent)
        return {offer: Closed(reason) for offer, reason in found.items()}

    def suspended(self, channel: str) -> list[Suspended]:
        """Return what an open case and quiet hours suspend on `channel`."""
        case = self._policy.contact.case_attribute
        if not self._view.attributes.get(case):
            return []
        return [Suspended(Reason.OPEN_CASE, case, Selector(classes=("marketing",)))]

    def capped(self, channel: str) -> list[Capped]:
        """Return the caps that are reached on `channel`."""
        return []
