"""A release: one trained, immutable directory, its manifest, and how it is verified and loaded.

The id of a release is the SHA-256 of its canonical `manifest.json`, which lists the SHA-256 and
size of every other file; the directory bears the id as its name. Nothing is parsed before its
digest is verified: the formats themselves do not notice a flipped bit.
"""

import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.arrays import ARRAYS, STAGE_ARRAYS, check_arrays
from models.canonical import NotCanonical, decode_json, encode_canonical
from models.decision import Intent
from models.errors import BadRelease
from models.features import HistoryConfig
from models.fixed import BIAS_LIMIT, to_fixed
from models.release_files import FileDigest, ReleaseFiles, foreign, read_json
from models.second_stage import SecondStage, check_second_stage
from models.segments import Shares
from models.stage_files import STAGE, STAGE_FILES, read_stage, stage_arrays, stage_texts

FORMAT = 2
MANIFEST = "manifest.json"
VOCABULARY = "vocabulary.json"
GOLDEN = "golden.json"

HISTORY_LENGTH = 1000
TYPE_WEIGHT = 1000.0


# The files of each format: 1 has stage one alone, 2 the second stage, too.
FILES = (VOCABULARY, GOLDEN, *(f"{name}.npy" for name in ARRAYS))
FILES_OF = {1: FILES, 2: (*FILES, *STAGE_FILES)}


class NewerRelease(BadRelease):
    """A release of a format that only a later version of Throughline can read."""


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure over `n` cases of `slice` and intent, with its 95 % bootstrap interval."""

    name: str
    slice: str
    n: int
    value: float
    low: float
    high: float
    intent: str = Intent.DEFAULT


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a release is. Times, hosts, durations and paths live in the registry, not here.

    `format` 1 has no second stage. `data` holds the training data's digest, kind, source and
    window; `label` says what a rate means.
    """

    format: int = FORMAT
    label: Literal["ORGANIC", "RESPONSE"]
    simulated: bool
    data: dict[str, str]
    history: HistoryConfig
    configuration: dict[str, int | float | str | list[str]]
    versions: dict[str, str]
    metrics: tuple[Metric, ...]
    files: dict[str, FileDigest]


class Vocabulary(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the arrays' rows; `segments` are "" (everybody), then `attribute=value`."""

    items: list[str]
    item_features: list[str]
    user_features: list[str]
    segments: list[str]


class GoldenEvent(msgspec.Struct, frozen=True, array_like=True):
    """One act of a synthetic history, `step` acts before the newest."""

    type: str
    channel: str
    item: str
    step: int


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """A synthetic customer and the items a release must rank first for it, with their scores.

    `expected` is of stage one, `ranked` of the second stage, by intent.
    """

    history: tuple[GoldenEvent, ...]
    attributes: dict[str, str]
    expected: tuple[tuple[str, int], ...]
    ranked: dict[str, tuple[tuple[str, int], ...]] = {}


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What training hands over to be written.

    With D a multiple of 8 and the bias as last dimension: `item_vectors` (items, D) and
    `item_feature_vectors` (item features, D) are float32, the former complete (identity and
    features summed); `user_feature_vectors` (user features, D) has the user bias last. `popularity`
    (segments, items) is float32, the natural log of an item's smoothed share in the segment;
    `item_weights` (items,) is float32 and positive, for the mean vector of an offer over a set. The
    rows of `second_stage` are those of the vocabulary's items.
    """

    vocabulary: Vocabulary
    item_vectors: NDArray[np.float32]
    item_feature_vectors: NDArray[np.float32]
    user_feature_vectors: NDArray[np.float32]
    popularity: NDArray[np.float32]
    item_weights: NDArray[np.float32]
    second_stage: SecondStage | None = None


class Release:
    """A loaded release, ready to decide; immutable by convention.

    `vectors` and `feature_vectors` are float32 for retrieval; `*_fixed` are the same in units of
    2^-20 for scores. `second_stage` ranks where there is one. `item_row`, `item_feature_row`,
    `user_feature_row` and `segment_row` map names to rows.
    """

    def __init__(self, release_id: str, manifest: Manifest, content: Content) -> None:
        self.id = release_id
        self.manifest = manifest
        self.history = manifest.history
        self.items = content.vocabulary.items
        self.vectors = content.item_vectors
        self.feature_vectors = content.item_feature_vectors
        self.item_weights = content.item_weights
        self.second_stage = content.second_stage
        self.users_fixed = _users_fixed(content.user_feature_vectors)
        self.popularity_fixed = to_fixed(content.popularity)
        self.item_row = _rows(content.vocabulary.items)
        self.item_feature_row = _rows(content.vocabulary.item_features)
        self.user_feature_row = _rows(content.vocabulary.user_features)
        self.segment_row = _rows(content.vocabulary.segments)

    @property
    def dimensions(self) -> int:
        """Return D, the length of a vector with its bias."""
        return int(self.vectors.shape[1])


def write_release(
    parent: Path, content: Content, golden: tuple[Golden, ...], **manifest: Any
) -> tuple[str, Path]:
    """Write a release below `parent` under its id and return (id, directory).

    `manifest` gives the fields of `Manifest` but `format` and `files`. Same content, same bytes,
    same id.
    """
    stage = content.second_stage
    version = 1 if stage is None else 2
    scratch = parent / f".writing-{os.getpid()}"
    scratch.mkdir(parents=True)
    texts = {VOCABULARY: encode_canonical(content.vocabulary), GOLDEN: encode_canonical(golden)}
    arrays = {name: (getattr(content, name), layout.dtype) for name, layout in ARRAYS.items()}
    if stage is not None:
        check_second_stage(stage, len(content.vocabulary.items))
        texts |= stage_texts(stage)
        found = stage_arrays(stage)
        arrays |= {name: (found[name], layout.dtype) for name, layout in STAGE_ARRAYS.items()}
    for name, said in texts.items():
        (scratch / name).write_bytes(said)
    for name, (array, dtype) in arrays.items():
        made = np.ascontiguousarray(array, dtype=dtype)
        np.save(scratch / f"{name}.npy", made, allow_pickle=False)
    files = {name: _digest(scratch / name) for name in FILES_OF[version]}
    text = encode_canonical(Manifest(format=version, files=files, **manifest))
    (scratch / MANIFEST).write_bytes(text)
    release_id = hashlib.sha256(text).hexdigest()
    directory = parent / release_id
    if directory.exists():
        for path in scratch.iterdir():
            path.unlink()
        scratch.rmdir()
    else:
        scratch.rename(directory)
    return release_id, directory


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
    shares = Shares(_rows(vocabulary.segments), arrays["popularity"])
    stage = read_stage(len(vocabulary.items), shares, data) if STAGE in data else None
    content = Content(vocabulary=vocabulary, second_stage=stage, **arrays)
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


def _digest(path: Path) -> FileDigest:
    data = path.read_bytes()
    return FileDigest(hashlib.sha256(data).hexdigest(), len(data))


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


def _users_fixed(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return vectors in units of 2^-20; the bias, in the last column, may be larger."""
    parts = to_fixed(vectors[:, :-1]), to_fixed(vectors[:, -1:], BIAS_LIMIT)
    return np.concatenate(parts, axis=1)


def _rows(names: list[str]) -> dict[str, int]:
    return {name: row for row, name in enumerate(names)}
