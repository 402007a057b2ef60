"""Sets the metrics that no call counts: of the store, the catalogue, the release, the process."""

import time

from prometheus_client import Counter, ProcessCollector

from service.decisions.active_release import ActiveRelease
from service.metrics import declared
from service.metrics.declared import Exported
from service.store.store import Store


class MetricsWatch:
    """Brings exported metrics up to what a store and the active release say of themselves."""

    def __init__(self, exported: Exported, store: Store, active_release: ActiveRelease) -> None:
        self._exported = exported
        self._store = store
        self._active_release = active_release
        self._process = ProcessCollector(registry=None)
        self._seen: dict[Counter, float] = {}
        self._named: tuple[str, ...] = ()
        exported[declared.WORKERS].set(1)

    def observe(self) -> None:
        """Set all of them as of now."""
        self._observe_store()
        self._observe_release()
        self._observe_process()

    def _observe_store(self) -> None:
        exported, counts = self._exported, self._store.counts()
        for outcome, number in counts.records.items():
            self._raise_to(exported[declared.DECISION_RECORDS].labels(outcome), number)
        for kind, number in counts.errors.items():
            self._raise_to(exported[declared.STORE_ERRORS].labels(kind), number)
        self._raise_to(exported[declared.BREAKER_OPENINGS], counts.breaker_openings)
        exported[declared.RECORDS_QUEUED].set(counts.records_queued)
        self._raise_to(exported[declared.STORE_REWINDS], counts.rewinds)
        exported[declared.STORE_EPOCH].set(counts.epoch)
        exported[declared.STORE_OLDER].set(counts.is_older)
        exported[declared.STORE_SERVED].set(counts.is_served)
        exported[declared.WRITES_REFUSED].set(counts.refuses_writes)

    def _observe_release(self) -> None:
        exported, active = self._exported, self._active_release
        exported[declared.CATALOGUE_REVISION].set(active.snapshot.catalogue.revision)
        exported[declared.CATALOGUE_AGE].set(time.monotonic() - active.catalogue_checked)
        self._raise_to(exported[declared.RELEASE_SWAPS], active.release_swaps)
        self._raise_to(exported[declared.RELEASE_REFUSALS], active.release_refusals)
        self._raise_to(exported[declared.POLICY_SWAPS], active.policy_swaps)
        self._raise_to(exported[declared.POLICY_REFUSALS], active.policy_refusals)
        snapshot, in_force = active.snapshot, active.in_force
        for what, refused in (
            ("release", snapshot.refused_release),
            ("policy", snapshot.refused_policy),
        ):
            exported[declared.FALLBACK].labels(what).set(refused is not None)
        decides = (snapshot.release_id, snapshot.policy.digest)
        named = (*decides, in_force.release, in_force.policy) if snapshot.release_id else ()
        if named != self._named:
            if self._named:
                exported[declared.RELEASE].labels(*self._named).set(0)
            if named:
                exported[declared.RELEASE].labels(*named).set(1)
            self._named = named

    def _observe_process(self) -> None:
        for family in self._process.collect():
            for sample in family.samples:
                if sample.name == "process_cpu_seconds_total":
                    self._raise_to(self._exported[declared.WORKER_CPU], sample.value)
                elif sample.name == "process_resident_memory_bytes":
                    self._exported[declared.WORKER_MEMORY].set(sample.value)

    def _raise_to(self, counter: Counter, number: float) -> None:
        """Add to a counter what has come since it was last observed."""
        counter.inc(number - self._seen.get(counter, 0))
        self._seen[counter] = number
