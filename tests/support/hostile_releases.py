"""Releases that carry code: if any of it ran, a file that it names would appear."""

import pickle
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from models.release.manifest import MANIFEST
from tests.support.bad_content import rehashed
from tests.support.damage import CONTENT, Apply, Damage


class _Payload:
    """What runs a command when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._command = f"touch {marker}"

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        import os

        return os.system, (self._command,)


def hostile(marker: Path) -> Iterator[Damage]:
    """Yield ways to put code into a release that would make the file `marker`."""
    for kind, data in _payloads(marker).items():
        for name in CONTENT:
            yield Damage(f"{kind} as {name}", name, _put(name, data, consistent=True))
            yield Damage(f"{kind} in place of {name}", name, _put(name, data, consistent=False))
        yield Damage(f"{kind} as {MANIFEST}", MANIFEST, _put(MANIFEST, data, consistent=False))
        for extra in ("model.pkl", "model.joblib", "config.yaml", "setup.py", "item_vectors.npz"):
            yield Damage(f"{kind} beside, as {extra}", f"'{extra}'", _put(extra, data, False))


def _payloads(marker: Path) -> dict[str, bytes]:
    payload = _Payload(marker)
    objects = np.array([payload], dtype=object)
    plain, zipped, headed = BytesIO(), BytesIO(), BytesIO()
    np.save(plain, objects, allow_pickle=True)
    np.savez(zipped, item_vectors=objects, allow_pickle=True)
    np.save(headed, np.zeros((40, 16), np.float32))
    call = f"__import__('os').system('touch {marker}')"
    code = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {call}, }}"
    header = code.encode() + b" " * (117 - len(code) % 64) + b"\n"
    return {
        "a pickle": pickle.dumps(payload),
        "an old pickle": pickle.dumps(payload, 0),
        "an array of objects": plain.getvalue(),
        "an archive of arrays": zipped.getvalue(),
        "an array and a pickle": headed.getvalue()[:128] + pickle.dumps(payload),
        "an array with code as header": b"\x93NUMPY\x01\x00"
        + len(header).to_bytes(2, "little")
        + header
        + bytes(2560),
        "a YAML tag": f"!!python/object/apply:os.system ['touch {marker}']\n".encode(),
        "JSON with a type": f'{{"py/object": "os.system", "py/reduce": ["{call}"]}}\n'.encode(),
        "Python": f"import os\nos.system('touch {marker}')\n".encode(),
        "a shell script": f"#!/bin/sh\ntouch {marker}\n".encode(),
    }


def _put(name: str, data: bytes, consistent: bool) -> Apply:
    def apply(directory: Path) -> Path:
        (directory / name).write_bytes(data)
        (directory / name).chmod(0o755)
        return rehashed(directory) if consistent else directory

    return apply
