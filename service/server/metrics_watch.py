"""What is not counted on the path of a call but looked at: store, catalogue, release, process."""

import time

from prometheus_client import Counter, ProcessCollector

from service.decisions.active_release import ActiveRelease
from service.metrics.declared import Metrics
from service.store.store import Store


class MetricsWatch:
    """Brings the metrics up to what a store and a runtime say of themselves."""

    def __init__(self, metrics: Metrics, store: Store, active_release: ActiveRelease) -> None:
        self._metrics = metrics
        self._store = store
        self._runtime = active_release
        self._process = ProcessCollector(registry=None)
        self._seen: dict[Counter, float] = {}
        self._release = ""
        metrics.workers.set(1)

    def observe(self) -> None:
        """Look once."""
        self._look_at_store()
        self._look_at_runtime()
        self._look_at_process()

    def _look_at_store(self) -> None:
        metrics, counts = self._metrics, self._store.counts()
        for outcome, number in counts.records.items():
            self._raise_to(metrics.records.labels(outcome), number)
        for kind, number in counts.errors.items():
            self._raise_to(metrics.store_errors.labels(kind), number)
        self._raise_to(metrics.breaker_openings, counts.breaker_openings)
        metrics.records_queued.set(counts.records_queued)

    def _look_at_runtime(self) -> None:
        metrics, runtime = self._metrics, self._runtime
        metrics.catalogue_revision.set(runtime.snapshot.catalogue.revision)
        metrics.catalogue_age.set(time.monotonic() - runtime.catalogue_checked)
        self._raise_to(metrics.release_swaps, runtime.swaps)
        self._raise_to(metrics.release_refusals, runtime.refusals)
        release = runtime.release_id
        if release != self._release:
            if self._release:
                metrics.release.labels(self._release).set(0)
            metrics.release.labels(release).set(1)
            self._release = release

    def _look_at_process(self) -> None:
        for family in self._process.collect():
            for sample in family.samples:
                if sample.name == "process_cpu_seconds_total":
                    self._raise_to(self._metrics.worker_cpu, sample.value)
                elif sample.name == "process_resident_memory_bytes":
                    self._metrics.worker_memory.set(sample.value)

    def _raise_to(self, counter: Counter, number: float) -> None:
        """Add to a counter what has come since the last look."""
        counter.inc(number - self._seen.get(counter, 0))
        self._seen[counter] = number
