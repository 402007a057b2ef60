"""What the contract tells of a release in a registry."""

from throughline.v1.release_pb2 import Release

from models.domain.decisions import Intent
from models.release.loader import read_vocabulary
from models.release.registry import Entry, Registry

OVERALL = "all"  # the slice of a metric over all cases


def fill_release(release: Release, registry: Registry, entry: Entry) -> None:
    """Fill in what entry, manifest and vocabulary say; raises `BadRelease` for damaged ones.

    Other files are not looked at: that is for whoever is about to use the release.
    """
    release.release_id = entry.release
    release.created.FromMicroseconds(entry.created)
    manifest, words = read_vocabulary(registry.path(entry.release))
    release.label = manifest.label
    release.items = len(words.items)
    for metric in manifest.metrics:
        if metric.slice == OVERALL and metric.intent == Intent.DEFAULT:
            release.metrics.add(
                name=metric.name, value=metric.value, low=metric.low, high=metric.high
            )
