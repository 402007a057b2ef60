"""Compiled code is kept where it can be, found where it was delivered, and made where it is not."""

import errno
import importlib.util
import itertools
import os
import tempfile
from pathlib import Path
from typing import Any

import numba
import pytest

from models.numeric.compiled import compiled

_names = itertools.count()

SOURCE = """
from models.numeric.compiled import compiled

@compiled("int64(int64)")
def twice(number: int) -> int:
    return 2 * number
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The file of a module with one compiled function, nowhere kept."""
    path = tmp_path / "arithmetic.py"
    path.write_text(SOURCE)
    return path


def load(module: Path) -> Any:
    """Import a file anew and return its compiled function."""
    spec = importlib.util.spec_from_file_location(f"arithmetic{next(_names)}", module)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    assert made.twice(21) == 42
    return made.twice


def hits(function: Any) -> int:
    """Return how often a function was found instead of made."""
    return sum(function.stats.cache_hits.values())


def kept(module: Path) -> list[str]:
    """Return the names of what is kept beside a module."""
    return sorted(path.name for path in (module.parent / "__pycache__").glob("*.nb*"))


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A function after which no file can be made, as on the root of a hardened container."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def forbid() -> None:
        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
        monkeypatch.setattr(os, "replace", refuse)

    return forbid


def test_what_is_compiled_is_kept_beside_the_source(module: Path) -> None:
    """The second import of a module finds what the first made."""
    assert hits(load(module)) == 0
    assert len(kept(module)) == 2
    assert hits(load(module)) == 1


def test_what_was_delivered_is_used(module: Path, read_only: Any) -> None:
    """Where nothing can be written, the code beside the source is found all the same."""
    load(module)
    read_only()
    assert hits(load(module)) == 1


def test_what_was_not_delivered_is_made(module: Path, read_only: Any) -> None:
    """Where nothing can be written, and nothing lies beside the source, the function works."""
    read_only()
    assert hits(load(module)) == 0
    assert kept(module) == []


def test_what_was_delivered_of_other_code_is_not_used(module: Path, read_only: Any) -> None:
    """Where nothing can be written, and what lies there is of another source, it is made."""
    load(module)
    before = kept(module)
    module.write_text(SOURCE.replace("2 * number", "number + number"))
    read_only()
    assert hits(load(module)) == 0
    assert kept(module) == before


def test_code_is_made_for_a_level_of_processors() -> None:
    """Code never depends on the very processor that made it, so that an image can carry it."""
    config: Any = numba.config
    assert config.CPU_NAME in {"x86-64-v3", "generic"}

    @compiled("int64(int64)")
    def once(number: int) -> int:
        return number

    made: Any = once
    _, processor, features = made.targetctx.codegen().magic_tuple()
    assert (processor, features) == (config.CPU_NAME, "")
