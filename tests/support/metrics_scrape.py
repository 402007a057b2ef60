"""What a scrape of a server's metrics says, read as Prometheus would."""

import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from service.metrics.export import serve_metrics
from tests.support.in_process import Running
from tests.support.waiting import PATIENCE


class Scraped:
    """The samples of one scrape; `text` is the whole of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families = {family.name: family for family in text_string_to_metric_families(text)}

    @property
    def samples(self) -> list[Sample]:
        """Return every sample."""
        return [sample for family in self.families.values() for sample in family.samples]

    def figures(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return the figures of a metric that are not 0, by the values of `labels`."""
        found: dict[tuple[str, ...], float] = {}
        for sample in self.samples:
            if sample.name == name and sample.value:
                key = tuple(sample.labels[label] for label in labels)
                found[key] = found.get(key, 0) + sample.value
        return found

    def figure(self, name: str, **labels: str) -> float:
        """Return one figure; 0 when there is no such series."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and _has(sample.labels, labels)
        )


def scrape(port: int) -> Scraped:
    """Ask a server on this machine for its metrics."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return Scraped(answer.read().decode())


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


CANARY = "canary4711"


@contextmanager
def scraping(live: Running) -> Iterator[int]:
    """Export the metrics of a server and yield the port."""
    with serve_metrics("127.0.0.1:0", live.server.dependencies.metrics.collect) as port:
        yield port
