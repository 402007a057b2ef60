"""Every way to damage a release, on the files alone: refused by name before it can decide."""

from itertools import chain, islice
from pathlib import Path

import pytest

from models.errors import BadRelease
from models.golden import check_golden
from models.release import NewerRelease, load_release, read_golden, verify_release
from tests.bad_content import consistent
from tests.damage import Damage, copied, golden_release, on_disk, random_on_disk


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
