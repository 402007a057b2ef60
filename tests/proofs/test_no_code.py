"""No code comes out of a release: neither by what the parsers do, nor by what the source calls."""

import ast
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from tests.support.damage import copied, golden_release
from tests.support.hostile_releases import hostile
from tests.support.modules import MODULES, name_of, tops
from tests.support.paths import ROOT
from tests.support.proof_table import Proof

# Whatever turns bytes into objects of any class.
UNSAFE = {
    *("pickle", "_pickle", "cPickle", "pickletools", "joblib", "cloudpickle", "dill", "shelve"),
    *("marshal", "yaml", "ruamel", "jsonpickle", "skops", "torch", "code", "codeop"),
}
CALLS = {"eval", "exec", "compile", "__import__"}


@pytest.mark.parametrize("count", [60, pytest.param(200, marks=pytest.mark.prove)])
def test_no_code_comes_out_of_a_release(tmp_path: Path, proof: Proof, count: int) -> None:
    """Hostile releases are refused without one act of unpickling, compiling, importing or running.

    They are told apart by an audit hook of the interpreter, which sees those acts in any library.
    """
    marker = tmp_path / "ran"
    good = golden_release(tmp_path / "good", 1)
    every = list(hostile(marker))
    assert len(every) >= 200
    directories, wanted = [], []
    for number, damage in enumerate(islice(every, 0, None, len(every) // count)):
        directories.append(damage.apply(copied(good, tmp_path / str(number))))
        wanted.append(damage.names)
    command = [sys.executable, "-P", "-c", "import sys; sys.path.insert(0, sys.argv.pop(1));"]
    command[-1] += "import tests.support.release_auditor; tests.support.release_auditor.main()"
    child = subprocess.run(
        [*command, str(ROOT), str(good), *map(str, directories)], capture_output=True, check=True
    )
    told = json.loads(child.stdout)
    assert told["hooked"]
    assert told["events"] == {}
    assert [name for name, text in zip(wanted, told["refused"], strict=True) if not text] == []
    for name, text in zip(wanted, told["refused"], strict=True):
        assert text.startswith(name)
    assert not marker.exists()
    if count >= 200:
        proof(
            "D3",
            f"{len(directories)} hostile releases loaded under an audit hook",
            "0 unpickled, compiled, imported, run or connected; all refused with the file named",
        )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_could_run_what_it_reads(path: Path) -> None:
    """No module imports a pickling or YAML library, evaluates text, or lets numpy unpickle."""
    assert not tops(path) & UNSAFE
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        assert called not in CALLS, called
        assert "pickle" not in called
        if called in {"np.load", "numpy.load"}:
            given = {one.arg: ast.unparse(one.value) for one in node.keywords}
            assert given.get("allow_pickle") == "False"
        if called in {"np.save", "np.savez", "numpy.save"}:
            given = {one.arg: ast.unparse(one.value) for one in node.keywords}
            assert given.get("allow_pickle") == "False"
