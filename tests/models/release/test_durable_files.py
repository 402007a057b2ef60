"""Files of the registry survive a power cut: what a name leads to is on disk before the name is."""

import re
import resource
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.release.durable_files import replace_durably
from models.release.histories import POINTER
from tests.support.small_release import write_small_release
from tests.support.waiting import PATIENCE

_SYNC = re.compile(r"fsync\(\d+<(?P<path>[^>]*)>")
_RENAME = re.compile(r'rename\w*\(.*?"(?P<source>[^"]*)".*?"(?P<target>[^"]*)"')

PUBLISH = """
import sys
from pathlib import Path
from models.policy.schema import AtMost, Policy
from models.release.registry import Registry
registry = Registry(Path(sys.argv[1]))
registry.publish(Policy(diversity=(AtMost(feature="brand", limit=3),)), 1)
"""


def steps(trace: Path) -> list[tuple[str, str]]:
    """Return the syncs and renames of a trace, in order: what was done, and to which path."""
    found = []
    for line in trace.read_text().splitlines():
        if match := _SYNC.search(line):
            found.append(("sync", match["path"]))
        elif match := _RENAME.search(line):
            found.append(("rename", match["target"]))
    return found


def test_a_pointer_is_on_disk_with_all_it_names(tmp_path: Path) -> None:
    """Each file is synced before it gets its name, its directory after, and the pointer last."""
    if shutil.which("strace") is None:
        pytest.skip("ORDER ON DISK NOT TESTED: strace is not installed (apt install it)")
    registry, trace = tmp_path / "registry", tmp_path / "trace"
    tracer = ["strace", "-f", "-y", "-s", "4096", "-e", "trace=fsync,rename,renameat,renameat2"]
    done = subprocess.run(
        [*tracer, "-o", str(trace), sys.executable, "-c", PUBLISH, str(registry)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if "ptrace" in done.stderr:
        pytest.skip(f"ORDER ON DISK NOT TESTED: strace may not trace here: {done.stderr[:200]}")
    assert done.returncode == 0, done.stderr
    seen = steps(trace)
    renamed = [at for at, (what, _) in enumerate(seen) if what == "rename"]
    targets = [Path(seen[at][1]) for at in renamed]
    assert [target.parent.name for target in targets] == ["policies", "registry"]
    assert targets[-1] == registry / POINTER
    for at, target in zip(renamed, targets, strict=True):
        assert seen[at - 1][0] == "sync"
        assert Path(seen[at - 1][1]).parent == target.parent
        assert seen[at + 1] == ("sync", str(target.parent))
    made = [path for what, path in seen[: renamed[0]] if what == "sync"]
    assert {str(tmp_path), str(registry)} <= set(made)


def test_a_full_disk_leaves_the_file_that_was(tmp_path: Path) -> None:
    """What cannot be replaced stays, is told by its name, and leaves nothing beside it."""
    path = tmp_path / "file"
    replace_durably(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, hard))
    try:
        with pytest.raises(OSError, match="File too large") as refused:
            replace_durably(path, b"much longer")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refused.value.filename == str(path)
    assert [one.read_bytes() for one in tmp_path.iterdir()] == [b"old"]


def test_a_full_disk_leaves_no_half_of_a_release(tmp_path: Path) -> None:
    """A release that has no room is told by its place, and what was written of it is gone."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, hard))
    try:
        with pytest.raises(OSError, match=r"\.writing-") as refused:
            write_small_release(tmp_path / "registry")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(tmp_path / "registry") in str(refused.value.filename)
    assert list((tmp_path / "registry").iterdir()) == []
    write_small_release(tmp_path / "registry")


def test_threads_that_replace_one_file_at_once_leave_a_whole_one(tmp_path: Path) -> None:
    """At any moment the file is what one of them wrote, and nothing else is left."""
    path = tmp_path / "known.json"
    texts = [bytes([65 + number]) * 20_000 for number in range(4)]
    replace_durably(path, texts[0])

    def write(text: bytes) -> bool:
        for _ in range(25):
            replace_durably(path, text)
            if path.read_bytes() not in texts:
                return False
        return True

    with ThreadPoolExecutor(len(texts)) as pool:
        assert all(pool.map(write, texts))
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
