"""A release: one trained, immutable directory, its manifest, and how it is verified and loaded.

The id of a release is the SHA-256 of its canonical `manifest.json`, which lists the SHA-256 and
size of every other file; the directory bears the id as its name. Nothing is parsed before its
digest is verified: the formats themselves do not notice a flipped bit.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import BadRelease
from models.features import HistoryConfig
from models.fixed import BIAS_LIMIT, to_fixed

FORMAT = 1
MANIFEST = "manifest.json"
VOCABULARY = "vocabulary.json"
GOLDEN = "golden.json"
ARRAYS = (
    "item_vectors",
    "item_feature_vectors",
    "user_feature_vectors",
    "popularity",
    "item_weights",
)
FILES = (VOCABULARY, GOLDEN, *(f"{name}.npy" for name in ARRAYS))


class FileDigest(msgspec.Struct, frozen=True):
    """What a content file must be."""

    sha256: str
    size: int


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A measured figure over `n` cases of `slice`, with its 95 % bootstrap interval."""

    name: str
    slice: str
    n: int
    value: float
    low: float
    high: float


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a release is. Times, hosts, durations and paths live in the registry, not here.

    `data` holds the training data's digest, kind, source and window; `label` says what a rate
    means.
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
    """A synthetic customer and the items a release must rank first for it, with their scores."""

    history: tuple[GoldenEvent, ...]
    attributes: dict[str, str]
    expected: tuple[tuple[str, int], ...]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What training hands over to be written.

    With D a multiple of 8 and the bias as last dimension: `item_vectors` (items, D) and
    `item_feature_vectors` (item features, D) are float32, the former complete (identity and
    features summed); `user_feature_vectors` (user features, D) has the user bias last. `popularity`
    (segments, items) is float32, the natural log of an item's smoothed share in the segment;
    `item_weights` (items,) is float32 and positive, for the mean vector of an offer over a set.
    """

    vocabulary: Vocabulary
    item_vectors: NDArray[np.float32]
    item_feature_vectors: NDArray[np.float32]
    user_feature_vectors: NDArray[np.float32]
    popularity: NDArray[np.float32]
    item_weights: NDArray[np.float32]


class Release:
    """A loaded release, ready to decide; immutable by convention.

    `vectors` and `feature_vectors` are float32 for retrieval; `*_fixed` are the same in units of
    2^-20 for scores. `item_row`, `item_feature_row`, `user_feature_row` and `segment_row` map names
    to rows.
    """

    def __init__(self, release_id: str, manifest: Manifest, content: Content) -> None:
        self.id = release_id
        self.manifest = manifest
        self.history = manifest.history
        self.items = content.vocabulary.items
        self.vectors = content.item_vectors
        self.feature_vectors = content.item_feature_vectors
        self.item_weights = content.item_weights
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

    `manifest` gives the fields of `Manifest` but `files`. Same content, same bytes, same id.
    """
    scratch = parent / f".writing-{os.getpid()}"
    scratch.mkdir(parents=True)
    (scratch / VOCABULARY).write_bytes(_canonical(content.vocabulary))
    (scratch / GOLDEN).write_bytes(_canonical(golden))
    for name in ARRAYS:
        array = np.ascontiguousarray(getattr(content, name), dtype=np.float32)
        np.save(scratch / f"{name}.npy", array, allow_pickle=False)
    files = {
        name: FileDigest(
            hashlib.sha256((scratch / name).read_bytes()).hexdigest(),
            (scratch / name).stat().st_size,
        )
        for name in FILES
    }
    text = _canonical(Manifest(files=files, **manifest))
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
    path = directory / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise BadRelease(f"{MANIFEST}: missing")
    text = path.read_bytes()
    if hashlib.sha256(text).hexdigest() != directory.resolve().name:
        raise BadRelease(f"{MANIFEST}: digest mismatch")
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise BadRelease(f"{MANIFEST}: {error}") from None
    if manifest.format > FORMAT:
        raise BadRelease(f"{MANIFEST}: format {manifest.format} not supported; max {FORMAT}")
    for name in sorted(FILES):
        if name not in manifest.files:
            raise BadRelease(f"{name}: not in the manifest")
    for entry in sorted(directory.iterdir()):
        if entry.name != MANIFEST and entry.name not in FILES:
            raise BadRelease(f"{entry.name[:64]!r}: unexpected entry")
        if entry.is_symlink() or not entry.is_file():
            raise BadRelease(f"{entry.name}: not a plain file")
    for name in sorted(FILES):
        file, wanted = directory / name, manifest.files[name]
        if not file.exists():
            raise BadRelease(f"{name}: missing")
        if file.stat().st_size != wanted.size:
            raise BadRelease(f"{name}: size mismatch")
        if hashlib.sha256(file.read_bytes()).hexdigest() != wanted.sha256:
            raise BadRelease(f"{name}: digest mismatch")
    return manifest


def load_release(directory: Path) -> Release:
    """Verify and load a release; raises `BadRelease` with the file at fault."""
    manifest = verify_release(directory)
    try:
        vocabulary = msgspec.json.decode((directory / VOCABULARY).read_bytes(), type=Vocabulary)
    except msgspec.MsgspecError as error:
        raise BadRelease(f"{VOCABULARY}: {error}") from None
    arrays = {name: _array(directory / f"{name}.npy") for name in ARRAYS}
    dimensions = arrays["item_vectors"].shape[-1]
    shapes = {
        "item_vectors": (len(vocabulary.items), dimensions),
        "item_feature_vectors": (len(vocabulary.item_features), dimensions),
        "user_feature_vectors": (len(vocabulary.user_features), dimensions),
        "popularity": (len(vocabulary.segments), len(vocabulary.items)),
        "item_weights": (len(vocabulary.items),),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise BadRelease(f"{name}.npy: shape {arrays[name].shape}; want {shape}")
        _check_range(name, arrays[name])
    if dimensions % 8:
        raise BadRelease(f"item_vectors.npy: dimension {dimensions}; want a multiple of 8")
    if (arrays["item_weights"] <= 0).any():
        raise BadRelease("item_weights.npy: not positive")
    for kind, names in msgspec.structs.asdict(vocabulary).items():
        if len(set(names)) != len(names):
            raise BadRelease(f"{VOCABULARY}: {kind}: duplicate name")
    if not vocabulary.items:
        raise BadRelease(f"{VOCABULARY}: items: empty")
    if vocabulary.segments[:1] != [""]:
        raise BadRelease(f'{VOCABULARY}: segments: want "" first')
    content = Content(vocabulary=vocabulary, **arrays)
    return Release(directory.resolve().name, manifest, content)


def read_golden(directory: Path) -> tuple[Golden, ...]:
    """Return the golden requests of a verified release."""
    try:
        return msgspec.json.decode((directory / GOLDEN).read_bytes(), type=tuple[Golden, ...])
    except msgspec.MsgspecError as error:
        raise BadRelease(f"{GOLDEN}: {error}") from None


def _array(path: Path) -> NDArray[np.float32]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        raise BadRelease(f"{path.name}: not an array") from None
    if array.dtype != np.float32:
        raise BadRelease(f"{path.name}: dtype {array.dtype}; want float32")
    return np.ascontiguousarray(array)


def _users_fixed(vectors: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return vectors in units of 2^-20; the bias, in the last column, may be larger."""
    parts = to_fixed(vectors[:, :-1]), to_fixed(vectors[:, -1:], BIAS_LIMIT)
    return np.concatenate(parts, axis=1)


def _check_range(name: str, array: NDArray[np.float32]) -> None:
    try:
        if name == "user_feature_vectors":
            _users_fixed(array)
        elif name == "item_weights":
            if not np.isfinite(array).all():
                raise ValueError("not finite")
        else:
            to_fixed(array)
    except ValueError as error:
        raise BadRelease(f"{name}.npy: {error}") from None


def _rows(names: list[str]) -> dict[str, int]:
    return {name: row for row, name in enumerate(names)}


def _canonical(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic") + b"\n"
