"""A shadow: another release or policy decides again what was decided, and is compared.

It works from stored records, which hold the customer and the time of the decision, and from the
catalogue as it is now. So it costs the service nothing, and a fault of it harms nobody.
"""

from collections.abc import Callable, Iterator

import msgspec

from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.decision.recorded import recorded_exhausted, recorded_profile
from models.domain.decisions import DecisionRecord, Flag
from service.store.database.decision_ids import parse_decision_id
from service.store.outcomes import StoredDecision
from service.store.store import Store

LATE = 60_000_000  # microseconds by which a record may reach the store after newer ones


class SlateDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A decision for which the shadow gave another slate; `time` in microseconds."""

    decision_id: str
    time: int
    channel: str
    intent: str
    live: tuple[str, ...]
    shadow: tuple[str, ...]


class Agreement(msgspec.Struct):
    """How far a shadow agrees: `overlap` is the sum over decisions of the share of offers kept."""

    decisions: int = 0
    same: int = 0
    same_first: int = 0
    overlap: float = 0.0

    def add(self, live: tuple[str, ...], shadow: tuple[str, ...]) -> None:
        """Count one decision."""
        self.decisions += 1
        self.same += live == shadow
        self.same_first += live[:1] == shadow[:1]
        most = max(len(live), len(shadow))
        self.overlap += len(set(live) & set(shadow)) / most if most else 1.0


class Shadow:
    """Decides again with another release or policy, and counts agreement by channel."""

    def __init__(self, on_difference: Callable[[SlateDifference], None]) -> None:
        """`on_difference` is called with each difference."""
        self._on_difference = on_difference
        self.by_channel: dict[str, Agreement] = {}

    def add(self, record: DecisionRecord, shared: SharedInputs) -> None:
        """Decide one again with `shared`; raises `Damaged` where its profile cannot be read."""
        profile = recorded_profile(record)
        exhausted = recorded_exhausted(record)
        again = decide(
            profile,
            SharedInputs(shared.index, shared.policy, exhausted),
            record.request,
            record.time,
            profile_unavailable=Flag.STATE_UNAVAILABLE in record.decision.flags,
            nothing_reserved=Flag.NOTHING_RESERVED in record.decision.flags,
        )
        live = tuple(shown.offer for shown in record.decision.slate)
        shadow = tuple(shown.offer for shown in again.slate)
        self.by_channel.setdefault(record.request.channel, Agreement()).add(live, shadow)
        if live != shadow:
            self._on_difference(
                SlateDifference(
                    decision_id=record.id,
                    time=record.time,
                    channel=record.request.channel,
                    intent=record.request.intent,
                    live=live,
                    shadow=shadow,
                )
            )


def decisions_since(
    store: Store, since: int | None, wait_for_more: Callable[[], bool]
) -> Iterator[StoredDecision]:
    """Yield each decision made at `since` (microseconds) or later once; None: every one there is.

    While `wait_for_more`, which may wait, returns True, yield those that came meanwhile. A record
    that reaches the store more than `LATE` after newer ones is passed over.
    """
    seen: dict[str, int] = {}
    while True:
        for stored in store.records(since):
            if stored.id not in seen:
                place = parse_decision_id(stored.id)
                seen[stored.id] = 0 if place is None else place[1]
                yield stored
        if seen:
            since = max(seen.values()) - LATE
            seen = {name: time for name, time in seen.items() if time >= since}
        if not wait_for_more():
            return
