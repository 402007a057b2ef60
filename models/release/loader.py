"""Verifies and loads a release; nothing is parsed before the digest of its file is verified.

The formats themselves do not notice a flipped bit.
"""

import hashlib
from pathlib import Path
from typing import Annotated

import msgspec

from models.canonical import NotCanonical, decode_json
from models.errors import BadRelease
from models.recommender.segments import SegmentPopularity
from models.recommender.user_features import HistoryConfig
from models.release.arrays import ARRAYS, check_arrays
from models.release.manifest import (
    FILES_OF,
    FORMAT,
    GOLDEN,
    MANIFEST,
    VOCABULARY,
    Golden,
    Manifest,
    Vocabulary,
)
from models.release.ranker_files import STAGE, read_stage
from models.release.release import Release, ReleaseContent, row_numbers
from models.release.verified_files import ReleaseFiles, foreign, read_json

HISTORY_LENGTH = 1000
TYPE_WEIGHT = 1000.0


class NewerRelease(BadRelease):
    """A release of a format that only a later version of Throughline can read."""


def verify_release(directory: Path) -> Manifest:
    """Verify name, manifest, and size and digest of every file, without parsing any content.

    Raises `BadRelease` with the file at fault.
    """
    with ReleaseFiles(directory) as files:
        manifest = _manifest(files, _id_of(directory))
        for name in sorted(manifest.files):
            files.verify(name, manifest.files[name])
    return manifest


def load_release(directory: Path) -> Release:
    """Verify and load a release; raises `BadRelease` with the file at fault.

    Each file is read once; nothing is parsed before all are verified.
    """
    release_id = _id_of(directory)
    with ReleaseFiles(directory) as files:
        manifest = _manifest(files, release_id)
        data = {name: files.read(name, manifest.files[name]) for name in sorted(manifest.files)}
    vocabulary = read_json(VOCABULARY, data.pop(VOCABULARY).tobytes(), Vocabulary)
    _check_vocabulary(vocabulary)
    _check_history(manifest.history)
    sizes = {kind: len(names) for kind, names in msgspec.structs.asdict(vocabulary).items()}
    arrays = check_arrays(ARRAYS, sizes, data)
    shares = SegmentPopularity(row_numbers(vocabulary.segments), arrays["popularity"])
    stage = read_stage(len(vocabulary.items), shares, data) if STAGE in data else None
    content = ReleaseContent(vocabulary=vocabulary, second_stage=stage, **arrays)
    return Release(release_id, manifest, content)


def read_manifest(directory: Path) -> Manifest:
    """Verify and return what a release says of itself; raises `BadRelease`."""
    with ReleaseFiles(directory) as files:
        return _manifest(files, _id_of(directory))


def read_vocabulary(directory: Path) -> tuple[Manifest, Vocabulary]:
    """Verify and return what a release is and knows, arrays left alone; raises `BadRelease`."""
    with ReleaseFiles(directory) as files:
        manifest = _manifest(files, _id_of(directory))
        text = files.read(VOCABULARY, manifest.files[VOCABULARY]).tobytes()
    return manifest, read_json(VOCABULARY, text, Vocabulary)


def read_golden(directory: Path) -> tuple[Golden, ...]:
    """Verify and return the golden requests of a release; raises `BadRelease`."""
    with ReleaseFiles(directory) as files:
        manifest = _manifest(files, _id_of(directory))
        text = files.read(GOLDEN, manifest.files[GOLDEN]).tobytes()
    return read_json(GOLDEN, text, tuple[Golden, ...])


def _id_of(directory: Path) -> str:
    """Return the name of a directory; a link to one must itself be called by the id."""
    return directory.absolute().name


def _manifest(files: ReleaseFiles, release_id: str) -> Manifest:
    """Return the manifest, and see that the directory has what it lists and nothing else."""
    text = files.small(MANIFEST)
    if hashlib.sha256(text).hexdigest() != release_id:
        raise BadRelease(f"{MANIFEST}: digest mismatch")
    found = _format_of(text)
    if found > FORMAT:
        raise NewerRelease(f"{MANIFEST}: format {found} not supported; max {FORMAT}")
    manifest = read_json(MANIFEST, text, Manifest)
    wanted = FILES_OF[found]
    for name in sorted(wanted):
        if name not in manifest.files:
            raise BadRelease(f"{name}: not in the manifest")
    for name in sorted(manifest.files.keys() - set(wanted)):
        raise BadRelease(f"{MANIFEST}: unexpected entry {foreign(name)}")
    for name in files.names():
        if name != MANIFEST and name not in wanted:
            raise BadRelease(f"{foreign(name)}: unexpected entry")
    return manifest


class _Format(msgspec.Struct):
    """All that a manifest of any format has."""

    format: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


def _format_of(text: bytes) -> int:
    try:
        return decode_json(text, _Format).format
    except NotCanonical as error:
        raise BadRelease(f"{MANIFEST}: {error}") from None


def _check_vocabulary(vocabulary: Vocabulary) -> None:
    for kind, names in msgspec.structs.asdict(vocabulary).items():
        if len(set(names)) != len(names):
            raise BadRelease(f"{VOCABULARY}: {kind}: duplicate name")
    if not vocabulary.items:
        raise BadRelease(f"{VOCABULARY}: items: empty")
    if vocabulary.segments[:1] != [""]:
        raise BadRelease(f'{VOCABULARY}: segments: want "" first')


def _check_history(history: HistoryConfig) -> None:
    """Refuse what fixed-point arithmetic cannot hold."""
    if not 1 <= history.length <= HISTORY_LENGTH:
        raise BadRelease(f"{MANIFEST}: history.length: want 1 to {HISTORY_LENGTH:,}")
    if not 0 < history.factor <= 1:
        raise BadRelease(f"{MANIFEST}: history.factor: want more than 0, at most 1")
    if not all(0 <= weight <= TYPE_WEIGHT for weight in history.types.values()):
        raise BadRelease(f"{MANIFEST}: history.types: want weights of 0 to {TYPE_WEIGHT:,.0f}")
