"""Releases: their id follows from their content, and a damaged one is refused by name."""

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
