"""Replays stored decisions with the releases and policies of a registry."""

from typing import NamedTuple

import msgspec

from models.decision.replay import replay
from models.domain.decisions import Decision, DecisionRecord
from models.errors import BadRelease, ThroughlineError, Unreadable
from models.policy.schema import Policy
from models.release.loader import load_release
from models.release.registry import Registry
from models.release.release import Release
from service.store.outcomes import StoredDecision


class ReplayFault(NamedTuple):
    """A decision whose replay differs or failed, and why."""

    decision: str
    reason: str


class Replayer:
    """Counts decisions whose replay is the `same`; loads each release and policy once."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._releases: dict[str, Release] = {}
        self._policies: dict[str, Policy] = {}
        self.count = 0
        self.same = 0
        self.faults: list[ReplayFault] = []

    def add(self, stored: StoredDecision) -> None:
        """Replay one decision."""
        self.count += 1
        record = stored.record
        if isinstance(record, Unreadable):
            self.faults.append(ReplayFault(stored.id, str(record)))
            return
        try:
            again = replay(record, self.release(record), self.policy(record))
        except ThroughlineError as error:
            self.faults.append(ReplayFault(record.id, str(error)))
            return
        field = difference(record.decision, again)
        if field:
            self.faults.append(ReplayFault(record.id, f"{field}: differs"))
        else:
            self.same += 1

    def release(self, record: DecisionRecord) -> Release:
        """Return the release that decided; raises `BadRelease`."""
        name = record.decision.moment.release
        if name not in self._releases:
            directory = self._registry.path(name)
            if not directory.is_dir():
                raise BadRelease(f"release: not in the registry: {ascii(name)[:80]}")
            self._releases[name] = load_release(directory)
        return self._releases[name]

    def policy(self, record: DecisionRecord) -> Policy:
        """Return the policy that decided; raises `BadRelease`."""
        digest = record.decision.moment.policy
        if digest not in self._policies:
            self._policies[digest] = self._registry.policy(digest)
        return self._policies[digest]


def difference(recorded: Decision, replayed: Decision) -> str:
    """Return the first field in whose encoding two decisions differ; "" for none."""
    for name in recorded.__struct_fields__:
        encoded = (
            msgspec.msgpack.encode(getattr(decision, name)) for decision in (recorded, replayed)
        )
        if len(set(encoded)) > 1:
            return name
    return ""
