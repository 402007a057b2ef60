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

from models.recommender.ranker import RANKED
from models.release.arrays import ARRAYS, DIMENSIONS, STAGE_ARRAYS, Layout
from models.release.manifest import GOLDEN, MANIFEST, VOCABULARY
from models.release.ranker_files import STAGE
from tests.support.damage import CONTENT, Apply, Damage

LAYOUTS = {**ARRAYS, **STAGE_ARRAYS}


def consistent() -> Iterator[Damage]:
    """Yield content that is bad although every digest is right."""
    yield from _bad_manifests()
    yield from _bad_json()
    for name, layout in LAYOUTS.items():
        yield from _bad_arrays(name, layout)
    yield from _bad_stage()
    for intent in RANKED:
        yield from _bad_trees(f"{intent}.txt")


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
    for name in CONTENT:
        yield Damage(f"unlisted {name}", name, _told({"files": {name: None}}))
    for change, what in _CHANGES:
        yield Damage(f"manifest {change}"[:60], f"{MANIFEST}: {what}", _told(change))
    versions: tuple[Any, ...] = (0, -1, 1, 3, 7, 10**30, "1", 1.5, [], "x" * 9999)
    for version in versions:
        told = _told({"format": version})
        yield Damage(f"format {version!r}"[:60], MANIFEST, told, newer=version in (3, 7))
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
    "escaped": lambda text: text.replace(b'"i', b'"\\u0069', 1),
    "marked": lambda text: b"\xef\xbb\xbf" + text,
    "followed": lambda text: text + b"{}",
    "no UTF-8": lambda text: text.replace(b"te", b"t\xffe", 1),
    "surrogate": lambda text: text.replace(b'"i', b'"\\ud800i', 1),
    "deep": lambda text: b'{"a":' * 100_000,
    "deep list": lambda text: b"[" * 100_000,
    "null": lambda text: b"null\n",
    "YAML": lambda text: b"!!python/object/apply:os.system ['true']\n",
    "pickle": lambda text: b"cos\nsystem\n(S'true'\ntR.",
}


def _bad_json() -> Iterator[Damage]:
    for name in (VOCABULARY, GOLDEN, STAGE):
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
            f"vocabulary {kind}", f"vocabulary.json: {kind}", _content(VOCABULARY, _json(change))
        )
    golden: tuple[tuple[str, Callable[[Any], object]], ...] = (
        ("scores", lambda told: told[0]["expected"][0].__setitem__(1, 1)),
        ("order", lambda told: told[0]["expected"].reverse()),
        ("item", lambda told: told[0]["expected"][0].__setitem__(0, "nothing")),
        ("history", lambda told: told[0]["history"][0].__setitem__(2, "item9")),
    )
    for kind, change in golden:
        yield Damage(f"golden {kind}", "golden.json", _content(GOLDEN, _json(change)), trial=True)


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


def _bad_stage() -> Iterator[Damage]:
    """Yield a second stage whose parts are well formed and do not fit each other."""
    changes: dict[str, Callable[[Any], object]] = {
        "a table less": lambda told: told["tables"].pop(),
        "a table twice": lambda told: told.update(tables=["any>any", "any>any"]),
        "another table": lambda told: told.update(tables=["any>any", "x" * 500]),
        "no table": lambda told: told.update(tables=[]),
        "many tables": lambda told: told.update(tables=[str(at) for at in range(99)]),
        "other lanes": lambda told: told["lanes"].reverse(),
        "other facts": lambda told: told["facts"].pop(),
        "an intent less": lambda told: told["intents"].pop("discovery"),
        "an intent more": lambda told: told["intents"].update(x=told["intents"]["default"]),
        "a knot less": lambda told: told["intents"]["default"]["scores"].pop(),
        "no knot": lambda told: told["intents"]["default"].update(scores=[], rates=[]),
        "falling scores": lambda told: told["intents"]["default"]["scores"].reverse(),
        "falling rates": lambda told: told["intents"]["default"]["rates"].reverse(),
        "a rate above 1": lambda told: told["intents"]["default"]["rates"].__setitem__(-1, 1.5),
        "a rate below 0": lambda told: told["intents"]["default"]["rates"].__setitem__(0, -0.5),
        "no finite score": lambda told: told["intents"]["default"]["scores"].__setitem__(0, None),
        "a quota below 0": lambda told: told["intents"]["default"]["quotas"].update(own=-1),
        "a quota too large": lambda told: told["intents"]["default"]["quotas"].update(new=10**9),
        "a quota beyond": lambda told: told["intents"]["default"]["quotas"].update(own=10**30),
    }
    for kind, change in changes.items():
        # Names that are not those the trees were fitted on show themselves there.
        names = "" if kind in ("another table", "a table less") else STAGE
        yield Damage(f"stage {kind}", names, _content(STAGE, _json(change)))


def _bad_trees(name: str) -> Iterator[Damage]:
    changes: dict[str, Callable[[bytes], bytes]] = {
        "nothing": lambda text: b"",
        "a pickle": lambda text: b"cos\nsystem\n(S'true'\ntR.",
        "no ASCII": lambda text: text.replace(b"tree", b"tr\xc3\xa9e", 1),
        "no tree": lambda text: text.partition(b"Tree=")[0],
        "other features": lambda text: text.replace(b"browse_items", b"cart_items", 1),
        "a feature less": lambda text: text.replace(b" browse_items", b"", 1),
        "several ensembles": lambda text: text.replace(b"iteration=1", b"iteration=3", 1),
        "no number": lambda text: text.replace(b"num_leaves=7", b"num_leaves=seven", 1),
        "endless digits": lambda text: text.replace(b"num_leaves=", b"num_leaves=" + b"7" * 9999),
        "many leaves": lambda text: text.replace(b"num_leaves=7", b"num_leaves=2000000000"),
        "no leaf": lambda text: text.replace(b"num_leaves=7", b"num_leaves=0"),
        "beyond 64 bits": lambda text: text.replace(b"left_child=1", b"left_child=1" + b"0" * 30),
        "a cycle": lambda text: text.replace(b"left_child=1 2", b"left_child=1 1"),
        "a child beyond": lambda text: text.replace(b"left_child=1 2", b"left_child=1 99"),
        "a leaf beyond": lambda text: text.replace(b"right_child=-7", b"right_child=-99"),
        "no such feature": lambda text: text.replace(b"split_feature=", b"split_feature=9"),
        "below 0": lambda text: text.replace(b"split_feature=", b"split_feature=-"),
        "categorical": lambda text: text.replace(b"decision_type=0", b"decision_type=1"),
        "linear": lambda text: text.replace(b"num_leaves=7", b"is_linear=1\nnum_leaves=7"),
        "NaN as limit": lambda text: text.replace(b"threshold=0.", b"threshold=nan 0."),
        "infinity as limit": lambda text: text.replace(b"threshold=0", b"threshold=1e999 0"),
        "a leaf too large": lambda text: text.replace(b"leaf_value=", b"leaf_value=9e99"),
        "one number less": lambda text: text.replace(b"threshold=0.", b"threshold= 0 0."),
        "too many trees": lambda text: text.replace(b"end of", b"Tree=1\n" * 4_001 + b"end of"),
    }
    for kind, change in changes.items():
        yield Damage(f"{kind} {name}", name, _content(name, change))


def _bad_arrays(array: str, layout: Layout) -> Iterator[Damage]:
    name = f"{array}.npy"
    # What has another length shows itself where it meets the others.
    where = "table_" if name == "table_rows.npy" else name

    def bad(kind: str, change: Callable[[Any], Any], names: str = name) -> Damage:
        def changed(data: bytes) -> bytes:
            made = change(np.load(BytesIO(data), allow_pickle=False))
            return made if isinstance(made, bytes) else _saved(made)

        return Damage(f"{kind} {name}", names, _content(name, changed))

    if "f" in layout.dtype:
        for value in (np.nan, np.inf, -np.inf, 1e13, -1e13):
            yield bad(f"a {value}", partial(_put, value))
    else:
        for number in (-1, 2**31 - 1, -(2**31)):
            yield bad(f"a {number}", partial(_put, number))
    for dtype in ("f4", "f8", ">f4", "f2", "i4", "S4", "U1", "O", "c8", "M8[s]", "f4,f4"):
        if np.dtype(dtype) != np.dtype(layout.dtype):
            yield bad(f"dtype {dtype}", partial(_zeros, dtype))
    yield bad("Fortran order", lambda array: np.asfortranarray(np.ones((3, 4), np.float32)))
    yield bad("0-d", lambda array: np.float32(1))
    yield bad("one row less", lambda array: array[:-1], where)
    yield bad("one row more", lambda array: np.concatenate([array, array[:1]]), where)
    yield bad("no row", lambda array: array[:0], where)
    yield bad("3-d", lambda array: array[None])
    yield bad("trailing bytes", lambda array: _saved(array) + b"\0\0\0\0")
    yield bad("cut", lambda array: _saved(array)[:-4])
    yield bad("pickle", lambda array: _saved(array)[:128] + b"cos\nsystem\n(S'true'\ntR.")
    yield bad("zip", lambda array: b"PK\x03\x04" + _saved(array))
    yield bad("nothing", lambda array: b"")
    yield bad("header not padded", lambda array: _unpadded(_saved(array)))
    for text in _HEADERS:
        yield bad(f"header {text[:40]}", partial(_headed, text))
    if DIMENSIONS in layout.axes:
        yield bad("dimension 15", lambda array: array[:, :15])
        yield bad("dimension 0", lambda array: array[:, :0])
        yield bad("dimension 2048", lambda array: np.ones((len(array), 2048), np.float32))
    if layout.positive or array in ("table_lanes", "table_starts"):
        yield bad("negative", lambda array: -array)
    if array == "table_starts":
        yield bad("descending", lambda array: np.ascontiguousarray(array[::-1]))
        yield bad("beyond the end", lambda array: array + 1)
    if array == "popular":
        yield bad("one twice", lambda array: np.concatenate([array[:1], array[:-1]]))


def _unpadded(data: bytes) -> bytes:
    length = int.from_bytes(data[8:10], "little")
    return (
        data[:8]
        + (length + 1).to_bytes(2, "little")
        + b" ".join((data[10 : 9 + length], data[9 + length :]))
    )


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
