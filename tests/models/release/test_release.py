"""Releases: their id follows from their content, and a damaged one is refused by name."""

import os
import re
from pathlib import Path

import numpy as np
import pytest

from models.errors import BadInput, BadRelease
from models.numeric.array_file import map_arrays, write_arrays
from models.release.golden import check_golden, make_golden
from models.release.histories import NothingToRollBack
from models.release.loader import load_release, read_golden, verify_release
from models.release.manifest import FILES, MANIFEST, GoldenEvent
from models.release.packed_release import release_arrays, release_of_arrays
from models.release.ranker_files import stage_arrays
from models.release.registry import Entry, Registry
from tests.support.bad_content import rehashed
from tests.support.damage import golden_release
from tests.support.small_release import small_content, write_small_release


def test_same_content_same_id(tmp_path: Path) -> None:
    """Writing the same content twice gives one id, other content another."""
    first, _ = write_small_release(tmp_path / "a")
    assert write_small_release(tmp_path / "b")[0] == first
    assert write_small_release(tmp_path / "b", seed=2)[0] != first


def test_a_second_stage_is_read_as_it_was_written(tmp_path: Path) -> None:
    """Tables, facts, calibration, quotas and trees come back equal, under the same id twice."""
    first, directory = write_small_release(tmp_path / "a", ranked=True)
    assert write_small_release(tmp_path / "b", ranked=True)[0] == first
    written = small_content(ranked=True).second_stage
    read = load_release(directory).second_stage
    assert written is not None
    assert read is not None
    arrays = stage_arrays(written)
    for name, array in stage_arrays(read).items():
        assert (array == arrays[name]).all(), name
    assert read.retrieval.tables.names == written.retrieval.tables.names
    random = np.random.default_rng(3)
    for intent, ensemble in read.ensembles.items():
        wanted = written.ensembles[intent]
        assert ensemble.quotas == wanted.quotas
        assert (ensemble.calibration.scores == wanted.calibration.scores).all()
        assert (ensemble.calibration.rates == wanted.calibration.rates).all()
        x = random.uniform(0, 2, (50, len(wanted.trees.features))).astype(np.float32)
        assert (ensemble.trees.score(x) == wanted.trees.score(x)).all()


def test_a_release_without_a_second_stage_is_of_the_first_format(tmp_path: Path) -> None:
    """What an earlier version can read is still written as it reads it."""
    plain, ranked = (
        load_release(write_small_release(tmp_path, ranked=ranked)[1]) for ranked in (False, True)
    )
    assert (plain.manifest.format, ranked.manifest.format) == (1, 2)
    assert plain.second_stage is None


def test_golden_requests_notice_another_tree(tmp_path: Path) -> None:
    """A release whose trees score otherwise than when it was made is refused."""
    directory = golden_release(tmp_path, 1)
    (golden,) = read_golden(directory)
    assert set(golden.ranked) == {"default", "discovery"}
    check_golden(load_release(directory), golden)
    path = directory / "discovery.txt"
    path.write_text(re.sub(r"leaf_value=\S+", "leaf_value=5", path.read_text()))
    release = load_release(rehashed(directory))
    with pytest.raises(BadRelease, match=r"^golden\.json"):
        check_golden(release, golden)


@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "link"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, name: str, damage: str) -> None:
    """A flipped bit, a cut, a missing file or a link is refused before anything is parsed."""
    _, directory = write_small_release(tmp_path)
    path = directory / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
        if damage == "link":
            path.symlink_to("/dev/null")
    with pytest.raises(BadRelease, match=f"^{name}"):
        load_release(directory)


def test_an_extra_file_is_refused(tmp_path: Path) -> None:
    """A file that the manifest does not list is refused."""
    _, directory = write_small_release(tmp_path)
    (directory / "extra.pkl").write_bytes(b"x")
    with pytest.raises(BadRelease, match="unexpected entry"):
        verify_release(directory)


def test_the_pointer_moves_and_rolls_back(tmp_path: Path) -> None:
    """Promotion names one release, rollback the one before, and nothing is before the first."""
    registry = Registry(tmp_path)
    ids = [write_small_release(tmp_path, seed=seed)[0] for seed in (1, 2)]
    for at, release in enumerate(ids):
        registry.add(Entry(release=release, created=at))
        registry.promote(release, at)
    assert registry.pointer().release == ids[1]
    assert registry.rollback(9).release == ids[0]
    with pytest.raises(NothingToRollBack):
        registry.rollback(10)
    assert registry.resolve(ids[0][:12]) == ids[0]
    with pytest.raises(BadInput):
        registry.resolve("0000")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b'{"a":' * 10**5, b'{"release": "../../x"}', None]
)
def test_an_unreadable_entry_hides_nothing(tmp_path: Path, text: bytes | None) -> None:
    """An entry that cannot be read, or names another release, leaves all releases to be found."""
    registry = Registry(tmp_path)
    ids = [write_small_release(tmp_path, seed=seed)[0] for seed in (1, 2)]
    for at, release in enumerate(ids):
        registry.add(Entry(release=release, created=at + 1))
    path = tmp_path / "entries" / f"{ids[1]}.json"
    path.unlink()
    if text is None:
        os.mkfifo(path)
    else:
        path.write_bytes(text)
    (tmp_path / "entries" / "notes.json").write_bytes(b"{}")
    assert [entry.release for entry in registry.entries()] == ids
    assert registry.resolve(ids[1][:8]) == ids[1]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"in_force": {"release": "../x", "policy": "p", "since": 1}}',
        b'{"in_force": {"release": "x"}}',
    ],
)
def test_an_unreadable_pointer_says_so(tmp_path: Path, text: bytes) -> None:
    """A pointer that cannot be read, or leads out of the registry, is an error that names it."""
    registry = Registry(tmp_path)
    release, _ = write_small_release(tmp_path)
    registry.promote(release, 1)
    (tmp_path / "pointer.json").write_bytes(text)
    with pytest.raises(BadRelease, match=r"^pointer.json: "):
        registry.pointer()


@pytest.mark.parametrize("ranked", [False, True])
def test_a_mapped_release_answers_as_the_one_that_was_loaded(tmp_path: Path, ranked: bool) -> None:
    """Another process that maps a release decides by the very numbers of who loaded it."""
    loaded = load_release(write_small_release(tmp_path, ranked=ranked)[1])
    write_arrays(tmp_path / "release", release_arrays(loaded))
    mapped = release_of_arrays(loaded.id, map_arrays(tmp_path / "release"))
    assert (mapped.id, mapped.manifest, mapped.history) == (
        loaded.id,
        loaded.manifest,
        loaded.history,
    )
    for name in ("items", "item_features", "user_features", "segments"):
        assert list(getattr(mapped, name)) == list(getattr(loaded, name))
    assert dict(mapped.item_row) == dict(loaded.item_row)
    for item in loaded.items[:3]:
        asked = (GoldenEvent("view", "web", item, 0),)
        check_golden(mapped, make_golden(loaded, asked, {"segment": "young"}, 5))
    assert (mapped.second_stage is None) is not ranked
