"""What the contract tells of a release in a registry."""

import msgspec
from throughline.v1.release_pb2 import Release

from models.errors import BadRelease
from models.registry import Entry, Registry
from models.release import MANIFEST, VOCABULARY, Manifest, Vocabulary

OVERALL = "all"  # the slice of a metric over all cases


def describe(release: Release, registry: Registry, entry: Entry) -> None:
    """Fill in what entry, manifest and vocabulary say; raises `BadRelease` for unreadable ones.

    Digests are not verified: that is for whoever is about to use the release.
    """
    release.release_id = entry.release
    release.created.FromMicroseconds(entry.created)
    directory = registry.path(entry.release)
    try:
        manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
        words = msgspec.json.decode((directory / VOCABULARY).read_bytes(), type=Vocabulary)
    except OSError as error:
        raise BadRelease(f"{error.filename}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise BadRelease(f"release: {error}") from None
    release.label = manifest.label
    release.items = len(words.items)
    for metric in manifest.metrics:
        if metric.slice == OVERALL:
            release.metrics.add(
                name=metric.name, value=metric.value, low=metric.low, high=metric.high
            )
