"""Writes a release: its files, its manifest, and the directory that bears its id."""

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from models.canonical import encode_canonical
from models.recommender.ranker import check_second_stage
from models.release.arrays import ARRAYS, STAGE_ARRAYS
from models.release.durable_files import make_directory, naming, sync_directory, sync_file
from models.release.manifest import FILES_OF, GOLDEN, MANIFEST, VOCABULARY, Golden, Manifest
from models.release.ranker_files import stage_arrays, stage_texts
from models.release.release import ReleaseContent
from models.release.verified_files import FileDigest


def write_release(
    parent: Path, content: ReleaseContent, golden: tuple[Golden, ...], **manifest: Any
) -> tuple[str, Path]:
    """Write a release below `parent` under its id and return (id, directory).

    `manifest` gives the fields of `Manifest` but `format` and `files`. Same content, same bytes,
    same id.
    """
    scratch = parent / f".writing-{os.getpid()}"
    make_directory(parent)
    try:
        with naming(scratch):
            return _write(parent, scratch, content, golden, manifest)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def _write(
    parent: Path,
    scratch: Path,
    content: ReleaseContent,
    golden: tuple[Golden, ...],
    manifest: dict[str, Any],
) -> tuple[str, Path]:
    stage = content.second_stage
    version = 1 if stage is None else 2
    scratch.mkdir()
    texts = {VOCABULARY: encode_canonical(content.vocabulary), GOLDEN: encode_canonical(golden)}
    arrays = {name: (getattr(content, name), layout.dtype) for name, layout in ARRAYS.items()}
    if stage is not None:
        check_second_stage(stage, len(content.vocabulary.items))
        texts |= stage_texts(stage)
        found = stage_arrays(stage)
        arrays |= {name: (found[name], layout.dtype) for name, layout in STAGE_ARRAYS.items()}
    for name, said in texts.items():
        (scratch / name).write_bytes(said)
    for name, (array, dtype) in arrays.items():
        made = np.ascontiguousarray(array, dtype=dtype)
        np.save(scratch / f"{name}.npy", made, allow_pickle=False)
    files = {name: _digest(scratch / name) for name in FILES_OF[version]}
    text = encode_canonical(Manifest(format=version, files=files, **manifest))
    (scratch / MANIFEST).write_bytes(text)
    for path in scratch.iterdir():
        sync_file(path)
    sync_directory(scratch)
    release_id = hashlib.sha256(text).hexdigest()
    directory = parent / release_id
    if directory.exists():
        for path in scratch.iterdir():
            path.unlink()
        scratch.rmdir()
    else:
        scratch.rename(directory)
        sync_directory(parent)
    return release_id, directory


def _digest(path: Path) -> FileDigest:
    data = path.read_bytes()
    return FileDigest(hashlib.sha256(data).hexdigest(), len(data))
