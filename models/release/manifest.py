"""The manifest: what a release says of itself, and the texts that stand beside it.

The id of a release is the SHA-256 of its canonical `manifest.json`, which lists the SHA-256 and
size of every other file; the directory bears the id as its name.
"""

from typing import Literal

import msgspec

from models.domain.decisions import Intent
from models.recommender.user_features import HistoryConfig
from models.release.arrays import ARRAYS
from models.release.ranker_files import STAGE_FILES
from models.release.verified_files import FileDigest

FORMAT = 2
MANIFEST = "manifest.json"
VOCABULARY = "vocabulary.json"
GOLDEN = "golden.json"

# What the rate of a release says.
ORGANIC = "ORGANIC"  # how many turn to the item unprompted: it ranks, and is no expected value
RESPONSE = "RESPONSE"  # how many respond once it is shown: it may be multiplied with money


# The files of each format: 1 has stage one alone, 2 the second stage, too.
FILES = (VOCABULARY, GOLDEN, *(f"{name}.npy" for name in ARRAYS))
FILES_OF = {1: FILES, 2: (*FILES, *STAGE_FILES)}


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
    """One event of a synthetic history, `step` events before the newest."""

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
