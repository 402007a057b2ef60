"""Releases: their id follows from their content, and a damaged one is refused by name."""

import os
from pathlib import Path

import pytest

from models.errors import BadInput, BadRelease
from models.registry import Entry, NothingToRollBack, Registry
from models.release import FILES, MANIFEST, load_release, verify_release
from tests.small import write_small_release


def test_same_content_same_id(tmp_path: Path) -> None:
    """Writing the same content twice gives one id, other content another."""
    first, _ = write_small_release(tmp_path / "a")
    assert write_small_release(tmp_path / "b")[0] == first
    assert write_small_release(tmp_path / "b", seed=2)[0] != first


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
    """Promotion names one pair, rollback the one before, and nothing is before the first."""
    registry = Registry(tmp_path)
    ids = [write_small_release(tmp_path, seed=seed)[0] for seed in (1, 2)]
    for at, release in enumerate(ids):
        registry.add(Entry(release=release, created=at))
        registry.promote(release, "policy", at)
    pointer = registry.pointer()
    assert pointer.in_force is not None
    assert pointer.in_force.release == ids[1]
    back = registry.rollback(9).in_force
    assert back is not None
    assert back.release == ids[0]
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
    registry.promote(release, "policy", 1)
    (tmp_path / "pointer.json").write_bytes(text)
    with pytest.raises(BadRelease, match=r"^pointer.json: "):
        registry.pointer()
