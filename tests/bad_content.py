"""Releases whose every digest is right and whose content is bad: only a look into it can tell."""

import hashlib
import shutil
import struct
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from models.arrays import ARRAYS, DIMENSIONS
from models.release import FILES, MANIFEST
from tests.damage import Apply, Damage


def consistent() -> Iterator[Damage]:
    """Yield content that is bad although every digest is right."""
    yield from _bad_manifests()
    yield from _bad_json()
    for name in ARRAYS:
        yield from _bad_arrays(name)


def rehashed(directory: Path, change: Callable[[dict[str, Any]], object] | None = None) -> Path:
    """Write the digests of all files into the manifest, `change` it, and move it to its new id."""
    manifest = msgspec.json.decode((directory / MANIFEST).read_bytes())
    for name in manifest["files"]:
        data = (directory / name).read_bytes()
        manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    if change is not None:
        change(manifest)
    manifest["files"] = dict(sorted(manifest["files"].items()))
    return resealed(directory, msgspec.json.encode(manifest) + b"\n")


def resealed(directory: Path, text: bytes) -> Path:
    """Write these bytes as manifest, and move the directory to the id that follows from them."""
    (directory / MANIFEST).write_bytes(text)
    target = directory.with_name(hashlib.sha256(text).hexdigest())
    shutil.rmtree(target, ignore_errors=True)
    return directory.rename(target)


def _bad_manifests() -> Iterator[Damage]:
    for name in ("../x", "/etc/passwd", "", ".", "a/b", "Items.npy", "x\n", "manifest.json"):
        listed = {"files": {name: {"sha256": "", "size": 0}}}
        yield Damage(f"listed {name!r}", f"{MANIFEST}: unexpected entry", _told(listed))
    for name in FILES:
        yield Damage(f"unlisted {name}", name, _told({"files": {name: None}}))
    for change, what in _CHANGES:
        yield Damage(f"manifest {change}"[:60], f"{MANIFEST}: {what}", _told(change))
    versions: tuple[Any, ...] = (0, -1, 2, 7, 10**30, "1", 1.5, [], "x" * 9999)
    for version in versions:
        told = _told({"format": version})
        yield Damage(f"format {version!r}"[:60], MANIFEST, told, newer=version in (2, 7))
    for kind, spelt in _SPELLINGS.items():
        yield Damage(f"{kind} {MANIFEST}", MANIFEST, _spelt(spelt))
    yield Damage("endless manifest", MANIFEST, _spelt(lambda text: b" " * (4 << 20) + text))


_CHANGES: tuple[tuple[dict[str, Any], str], ...] = (
    ({"history": {"length": 10**9}}, "history.length"),
    ({"history": {"length": 0}}, "history.length"),
    ({"history": {"factor": 1e300}}, "history.factor"),
    ({"history": {"factor": -1.0}}, "history.factor"),
    ({"history": {"types": {"view": 1e308}}}, "history.types"),
    ({"history": {"types": {"view": -1.0}}}, "history.types"),
    ({"label": "PICKLED"}, "Invalid enum value"),
    ({"metrics": [{"name": "x"}]}, "Object missing"),
    ({"simulated": "yes"}, "Expected `bool`"),
    ({"later_field": 1}, "not canonical"),
)


def _told(change: dict[str, Any]) -> Apply:
    return lambda directory: rehashed(directory, lambda told: _merge(told, change))


def _spelt(spelt: Callable[[bytes], bytes]) -> Apply:
    return lambda directory: resealed(directory, spelt((directory / MANIFEST).read_bytes()))


def _merge(told: dict[str, Any], change: dict[str, Any]) -> None:
    for name, value in change.items():
        if value is None:
            del told[name]
        elif isinstance(value, dict):
            _merge(told.setdefault(name, {}), value)
        else:
            told[name] = value


# Other spellings of a JSON text, and what is no JSON of the kind.
_SPELLINGS: dict[str, Callable[[bytes], bytes]] = {
    "duplicate key": lambda text: text.replace(b'{"', b'{"format":1,"items":[],"', 1),
    "spaced": lambda text: text.replace(b":", b": ", 1),
    "without newline": lambda text: text[:-1],
    "escaped": lambda text: text.replace(b'"it', b'"\\u0069t', 1),
    "marked": lambda text: b"\xef\xbb\xbf" + text,
    "followed": lambda text: text + b"{}",
    "no UTF-8": lambda text: text.replace(b"item", b"it\xffm", 1),
    "surrogate": lambda text: text.replace(b'"item', b'"\\ud800item', 1),
    "deep": lambda text: b'{"a":' * 100_000,
    "deep list": lambda text: b"[" * 100_000,
    "null": lambda text: b"null\n",
    "YAML": lambda text: b"!!python/object/apply:os.system ['true']\n",
    "pickle": lambda text: b"cos\nsystem\n(S'true'\ntR.",
}


def _bad_json() -> Iterator[Damage]:
    for name in FILES[:2]:
        for kind, spelt in _SPELLINGS.items():
            yield Damage(f"{kind} {name}", name, _content(name, spelt))
    vocabulary: tuple[tuple[str, Callable[[Any], object]], ...] = (
        ("items", lambda told: told["items"].append("item0")),
        ("items", lambda told: told["items"].clear()),
        ("segments", lambda told: told["segments"].reverse()),
        ("user_features", lambda told: told["user_features"].append("constant")),
        ("", lambda told: told.update(items={"a": 1})),
        ("", lambda told: told.pop("items")),
    )
    for kind, change in vocabulary:
        yield Damage(
            f"vocabulary {kind}", f"vocabulary.json: {kind}", _content(FILES[0], _json(change))
        )
    golden: tuple[tuple[str, Callable[[Any], object]], ...] = (
        ("scores", lambda told: told[0]["expected"][0].__setitem__(1, 1)),
        ("order", lambda told: told[0]["expected"].reverse()),
        ("item", lambda told: told[0]["expected"][0].__setitem__(0, "nothing")),
        ("history", lambda told: told[0]["history"][0].__setitem__(2, "item9")),
    )
    for kind, change in golden:
        yield Damage(f"golden {kind}", "golden.json", _content(FILES[1], _json(change)), trial=True)


def _json(change: Callable[[Any], object]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        told = msgspec.json.decode(data)
        change(told)
        return msgspec.json.encode(told) + b"\n"

    return changed


def _content(name: str, change: Callable[[bytes], bytes]) -> Apply:
    def apply(directory: Path) -> Path:
        (directory / name).write_bytes(change((directory / name).read_bytes()))
        return rehashed(directory)

    return apply


def _bad_arrays(array: str) -> Iterator[Damage]:
    name = f"{array}.npy"

    def bad(kind: str, change: Callable[[Any], Any]) -> Damage:
        def changed(data: bytes) -> bytes:
            made = change(np.load(BytesIO(data), allow_pickle=False))
            return made if isinstance(made, bytes) else _saved(made)

        return Damage(f"{kind} {name}", name, _content(name, changed))

    for value in (np.nan, np.inf, -np.inf, 1e13, -1e13):
        yield bad(f"a {value}", partial(_put, value))
    for dtype in ("f8", ">f4", "f2", "i4", "S4", "U1", "O", "c8", "M8[s]", "f4,f4"):
        yield bad(f"dtype {dtype}", partial(_zeros, dtype))
    yield bad("Fortran order", lambda array: np.asfortranarray(np.ones((3, 4), np.float32)))
    yield bad("0-d", lambda array: np.float32(1))
    yield bad("one row less", lambda array: array[:-1])
    yield bad("one row more", lambda array: np.concatenate([array, array[:1]]))
    yield bad("no row", lambda array: array[:0])
    yield bad("3-d", lambda array: array[None])
    yield bad("trailing bytes", lambda array: _saved(array) + b"\0\0\0\0")
    yield bad("cut", lambda array: _saved(array)[:-4])
    yield bad("pickle", lambda array: _saved(array)[:128] + b"cos\nsystem\n(S'true'\ntR.")
    yield bad("zip", lambda array: b"PK\x03\x04" + _saved(array))
    yield bad("nothing", lambda array: b"")
    for text in _HEADERS:
        yield bad(f"header {text[:40]}", partial(_headed, text))
    if DIMENSIONS in ARRAYS[array].axes:
        yield bad("dimension 15", lambda array: array[:, :15])
        yield bad("dimension 0", lambda array: array[:, :0])
        yield bad("dimension 2048", lambda array: np.ones((len(array), 2048), np.float32))
    if name == "item_weights.npy":
        yield bad("negative", lambda array: -array)


_HEADERS = (
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 16), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999999, 16), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 16), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (40L, 16L), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').getcwd(), }",
    "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "{'fortran_order': False, 'shape': (40, 16), }",
    "(" * 5000,
    "",
)


def _header(text: str) -> bytes:
    padded = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


def _headed(text: str, array: Any) -> bytes:
    return _header(text) + bytes(array.tobytes())


def _zeros(dtype: str, array: Any) -> Any:
    return np.zeros(array.shape, dtype)


def _put(value: float, array: Any) -> Any:
    array = array.copy()
    array.reshape(-1)[array.size // 2] = value
    return array


def _saved(array: Any) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()
