"""Metrics over HTTP, in the format of Prometheus: of this process, or of all workers of a parent.

Workers serve none themselves: each writes its figures to mapped files in a directory that the
parent names in `PROMETHEUS_MULTIPROC_DIR` before it starts them, and the parent adds them up.
Nothing here imports gRPC, so that a parent stays small.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry, Metric, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from service.config.settings import ConfigurationError
from service.metrics.declared import RELEASE
from service.metrics.http import HttpPage

_log = structlog.get_logger(__name__)


@contextmanager
def serve_worker_metrics(listen: str, directory: Path) -> Iterator[int]:
    """Serve the sum over all workers, which were given `directory`; yield the port."""
    with serve_metrics(listen, collect_workers(directory)) as port:
        yield port


def forget_worker(directory: Path, pid: int) -> None:
    """Drop the gauges of a worker that has ended; what it counted stays counted."""
    mark_process_dead(pid, str(directory))  # type: ignore[no-untyped-call]


def collect_workers(directory: Path) -> Callable[[], Iterable[Metric]]:
    """Return what reads the sum over all workers that were given `directory`."""
    collector = MultiProcessCollector(None, str(directory))  # type: ignore[no-untyped-call]
    collect: Callable[[], Iterable[Metric]] = collector.collect
    return collect


@contextmanager
def serve_metrics(listen: str, collect: Callable[[], Iterable[Metric]]) -> Iterator[int]:
    """Serve what `collect` returns, and this process's own standard metrics; yield the port.

    Raises `ConfigurationError` when somebody has the address.
    """
    host, _, port = listen.rpartition(":")
    registry = collector_registry(collect)
    try:
        page = HttpPage(
            host.strip("[]"), int(port), CONTENT_TYPE_PLAIN_0_0_4, lambda: generate_latest(registry)
        )
    except OSError:
        raise ConfigurationError(f"metrics_listen: cannot bind to {listen}") from None
    with page:
        _log.info("metrics", listen=listen, port=page.port)
        yield page.port


def collector_registry(collect: Callable[[], Iterable[Metric]]) -> CollectorRegistry:
    """Return a registry of what `collect` returns and of the process's own standard metrics."""
    registry = CollectorRegistry()
    registry.register(_InForce(collect))
    ProcessCollector(registry=registry)
    return registry


class _InForce(Collector):
    """Leaves out the releases that decide nowhere any more: a mapped file keeps every label."""

    def __init__(self, collect: Callable[[], Iterable[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        for metric in self._collect():
            if metric.name == RELEASE.name:
                metric.samples = [sample for sample in metric.samples if sample.value]
            yield metric
