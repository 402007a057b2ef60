"""Ways to damage a release: each with the file that the refusal must name.

A `Damage` works on a fresh copy of a valid release that stands under its id. Those here leave the
manifest as it was written; those of `tests.support.bad_content` have digests that are right.
"""

import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from models.recommender.user_features import HistoryConfig
from models.release.golden import make_golden
from models.release.loader import load_release
from models.release.manifest import FILES_OF, FORMAT, MANIFEST, GoldenEvent
from models.release.writer import write_release
from tests.support.small_release import small_content

CONTENT = FILES_OF[FORMAT]
EVERY = (*CONTENT, MANIFEST)
Apply = Callable[[Path], Path]


class Damage(NamedTuple):
    """One way to damage: `names` starts the text of the refusal; `apply` returns the directory."""

    kind: str
    names: str
    apply: Apply
    newer: bool = False
    trial: bool = False  # nothing but a trial of the release can tell


def flip_a_bit(directory: Path, name: str) -> None:
    """Flip one bit in the middle of a file of a release."""
    path = directory / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def random_on_disk(seed: int) -> Iterator[Damage]:
    """Yield flips, cuts and insertions at random places of random files, without end."""
    chance = random.Random(seed)
    while True:
        kind, name = chance.choice(("flip", "cut", "insert")), chance.choice(EVERY)
        yield Damage(f"{kind} {name}", name, _changed(name, kind, chance.random()))


def on_disk(other: Path) -> Iterator[Damage]:
    """Yield what can be done to files and entries; `other` is another valid release."""
    for name in EVERY:
        yield Damage(f"missing {name}", name, _entry(name, lambda path: None))
        yield Damage(f"emptied {name}", name, _entry(name, lambda path: path.touch()))
        yield Damage(f"of another {name}", name, _entry(name, _copied(other / name)))
        yield Damage(f"directory {name}", name, _entry(name, lambda path: path.mkdir()))
        yield Damage(f"pipe {name}", name, _entry(name, os.mkfifo))
        yield Damage(f"socket {name}", name, _entry(name, _socket))
        for target in (str(other / name), "/dev/zero", "/etc/passwd", name, "nowhere", "."):
            yield Damage(f"link {name} {target[-11:]}", name, _entry(name, _linked(target)))
        if os.geteuid() == 0:
            yield Damage(f"device {name}", name, _entry(name, _device))
    for first, second in ((a, b) for a in EVERY for b in EVERY if a < b):
        yield Damage(f"swapped {first} {second}", "", _swapped(first, second))
    for name in ("x.pkl", "model.yaml", ".hidden", "ITEM_VECTORS.npy", "é\n", "a" * 200, "\udcff"):
        yield Damage(f"extra {name[:9]!r}", ascii(name[:64])[:66], _extra(name))
    yield Damage("extra directory", "'more'", _extra("more/"))
    yield Damage("not under its id", MANIFEST, _renamed)


def golden_release(parent: Path, seed: int) -> Path:
    """Write a small valid release with every kind of file, golden requests among them."""
    content = small_content(40 + seed, seed, ranked=True)  # so that no file is the same in two
    history, fields = (
        (GoldenEvent("view", "web", "item3", 0),),
        {
            "label": "ORGANIC",
            "simulated": True,
            "data": {"kind": "timed"},
            "history": HistoryConfig(),
            "configuration": {"seed": seed},
            "versions": {},
            "metrics": (),
        },
    )
    _, plain = write_release(parent / "plain", content, (), **fields)
    golden = make_golden(load_release(plain), history, {"segment": "young"}, 5)
    return write_release(parent, content, (golden,), **fields)[1]


def copied(release: Path, parent: Path) -> Path:
    """Return a fresh copy of a release below `parent`, in the place of what was there."""
    target = parent / release.name
    shutil.rmtree(target, ignore_errors=True)
    return shutil.copytree(release, target, copy_function=shutil.copyfile)


def _changed(name: str, kind: str, where: float) -> Apply:
    def apply(directory: Path) -> Path:
        data = bytearray((directory / name).read_bytes())
        at = int(where * len(data))
        if kind == "flip":
            data[at] ^= 1 << int(where * 8e9) % 8
        elif kind == "cut":
            del data[at:]
        else:
            data[at:at] = os.urandom(1 + at % 9)
        (directory / name).write_bytes(data)
        return directory

    return apply


def _entry(name: str, put: Callable[[Path], object]) -> Apply:
    def apply(directory: Path) -> Path:
        (directory / name).unlink()
        put(directory / name)
        return directory

    return apply


def _copied(source: Path) -> Callable[[Path], object]:
    return lambda path: shutil.copyfile(source, path)


def _linked(target: str) -> Callable[[Path], object]:
    return lambda path: path.symlink_to(target)


def _device(path: Path) -> None:
    os.mknod(path, 0o20666, os.makedev(1, 5))  # zeros without end


def _socket(path: Path) -> None:
    # The path of a socket may have 108 bytes only.
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{here}/{path.name}")
    finally:
        os.close(here)


def _swapped(first: str, second: str) -> Apply:
    def apply(directory: Path) -> Path:
        a, b = directory / first, directory / second
        one, two = a.read_bytes(), b.read_bytes()
        a.write_bytes(two)
        b.write_bytes(one)
        return directory

    return apply


def _extra(name: str) -> Apply:
    def apply(directory: Path) -> Path:
        if name.endswith("/"):
            (directory / name).mkdir()
        else:
            (directory / name).write_bytes(b"x")
        return directory

    return apply


def _renamed(directory: Path) -> Path:
    return directory.rename(directory.with_name("0" * 64))
