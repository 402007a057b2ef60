"""The releases of a registry's directory as the contract tells them, and as a table."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from throughline.v1.release_pb2 import ListReleasesResponse, Metric, Release

from models.errors import BadRelease
from models.release.loader import verify_release
from models.release.registry import Registry
from service.commands.answers import SHORT
from service.commands.terminal import table
from service.contract.release_messages import fill_release

METRIC_COLUMNS = 3  # columns that still fit beside the id


def list_registry(directory: Path) -> ListReleasesResponse:
    """Return the releases of a registry, latest first; a damaged one has the damage as label."""
    registry = Registry(directory)
    present = registry.pointer().release
    response = ListReleasesResponse()
    for entry in registry.entries():
        release = response.releases.add()
        release.in_force = entry.release == present
        try:
            fill_release(release, registry, entry)
            verify_release(registry.path(entry.release))
        except BadRelease as error:
            release.label = f"DAMAGED: {error}"
    return response


def releases_table(releases: Sequence[Release]) -> Table:
    """Return a table of releases with the figures that most of them have."""
    names = _metric_names(releases)
    columns = ("", "release", "created (UTC)", "rate", "items", *names)
    return table(columns, [_row(release, names) for release in releases])


def _row(release: Release, names: Sequence[str]) -> tuple[str, ...]:
    figures = {metric.name: _figure(metric) for metric in release.metrics}
    return (
        "in force" if release.in_force else "",
        release.release_id[:SHORT],
        release.created.ToDatetime().isoformat(" ", "seconds"),
        release.label,
        f"{release.items:,}",
        *(figures.get(name, "") for name in names),
    )


def _metric_names(releases: Sequence[Release]) -> list[str]:
    """Return the metrics to show, in the order in which the latest release tells them."""
    names = dict.fromkeys(metric.name for release in releases for metric in release.metrics)
    return list(names)[:METRIC_COLUMNS]


def _figure(metric: Metric) -> str:
    return f"{metric.value:.3f} [{metric.low:.3f}, {metric.high:.3f}]"
