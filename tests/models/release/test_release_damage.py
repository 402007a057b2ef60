"""Every way to damage a release, on the files alone: refused by name before it can decide."""

import os
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.errors import BadRelease
from models.release.golden import check_golden
from models.release.loader import NewerRelease, load_release, read_golden, verify_release
from models.release.verified_files import FileDigest, ReleaseFiles
from tests.support.bad_content import consistent
from tests.support.damage import CONTENT, Damage, copied, golden_release, on_disk, random_on_disk

pytestmark = pytest.mark.machine


def refusal(directory: Path) -> BadRelease | None:
    """Return why a release is refused by all that the trial's child does, or None."""
    try:
        release = load_release(directory)
        for golden in read_golden(directory):
            check_golden(release, golden)
    except BadRelease as error:
        return error
    return None


def test_every_damage_is_refused_by_name(tmp_path: Path) -> None:
    """Whatever is done to a release, loading it is refused, and the refusal names the file."""
    good, other = golden_release(tmp_path, 1), golden_release(tmp_path, 2)
    assert refusal(good) is None
    wrong = []
    for damage in chain(on_disk(other), consistent(), islice(random_on_disk(1), 200)):
        directory = damage.apply(copied(good, tmp_path / "copies"))
        error = refusal(directory)
        if error is None or not fits(damage, error):
            wrong.append((damage.kind, damage.names, str(error)))
    assert wrong == []


def fits(damage: Damage, error: BadRelease) -> bool:
    """Tell whether an error is the one that a damage must give, short and printable."""
    text = str(error)
    newer = isinstance(error, NewerRelease)
    return (
        text.startswith(damage.names)
        and len(text) < 300
        and text.isprintable()
        and newer is damage.newer
    )


@pytest.mark.parametrize("fault", ["missing", "file", "link"])
def test_a_directory_that_is_none(tmp_path: Path, fault: str) -> None:
    """A release that is no directory, or a link to another release, is refused."""
    good, other = golden_release(tmp_path, 1), golden_release(tmp_path, 2)
    if fault == "missing":
        target = tmp_path / ("0" * 64)
    elif fault == "file":
        target = tmp_path / ("1" * 64)
        target.write_bytes(b"x")
    else:
        moved = other.rename(tmp_path / "moved")
        other.symlink_to(good)
        target = other
        assert moved.is_dir()
    with pytest.raises(BadRelease):
        verify_release(target)
    with pytest.raises(BadRelease):
        load_release(target)


@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_a_file_exchanged_between_look_and_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A file that becomes a pipe, a link or a device after it was looked at is refused at once."""
    directory = golden_release(tmp_path, 1)
    path = directory / "popularity.npy"
    data = path.read_bytes()
    look = os.stat

    def exchanging(name: str, **options: Any) -> os.stat_result:
        seen = look(name, **options)
        if name == path.name:
            path.unlink()
            if kind == "pipe":
                os.mkfifo(path)
            elif kind == "link":
                (tmp_path / "same").write_bytes(data)
                path.symlink_to(tmp_path / "same")
            else:
                path.symlink_to("/dev/zero")
        return seen

    monkeypatch.setattr("models.release.verified_files.os.stat", exchanging)
    with pytest.raises(BadRelease, match=r"^popularity.npy: "):
        load_release(directory)


def test_what_was_verified_is_what_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading opens each file once, and what a file becomes after that does not matter."""
    directory = golden_release(tmp_path, 1)
    vectors = np.load(directory / "item_vectors.npy", allow_pickle=False)
    opened: Counter[str] = Counter()
    read = ReleaseFiles.read

    def reading(files: ReleaseFiles, name: str, wanted: FileDigest) -> Any:
        data = read(files, name, wanted)
        opened[name] += 1
        (directory / name).write_bytes(bytes(len(data)))
        return data

    monkeypatch.setattr(ReleaseFiles, "read", reading)
    assert (load_release(directory).vectors == vectors).all()
    assert opened == dict.fromkeys(CONTENT, 1)
    with pytest.raises(BadRelease, match="digest mismatch"):
        verify_release(directory)


def test_a_file_that_grows_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is longer than it was when it was opened is refused."""
    directory = golden_release(tmp_path, 1)
    path = directory / "popularity.npy"
    look = os.fstat

    def growing(descriptor: int) -> os.stat_result:
        seen = look(descriptor)
        with path.open("ab") as file:
            file.write(b"x")
        return seen

    monkeypatch.setattr("models.release.verified_files.os.fstat", growing)
    with pytest.raises(BadRelease, match=r"^popularity.npy: size mismatch$"):
        verify_release(directory)
    with pytest.raises(BadRelease, match=r"^[a-z_]+.(npy|json): size mismatch$"):
        load_release(directory)
