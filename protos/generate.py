"""Generate the Python package `throughline.v1` from its protos: `python protos/generate.py`.

With `--check` it changes nothing and fails when the committed code is not what the protos give.
"""

import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
PACKAGE = "throughline/v1"


def generate(out: Path) -> None:
    """Write messages, stubs and servicers with their type stubs into `out`."""
    protos = sorted((ROOT / PACKAGE).glob("*.proto"))
    scripts = Path(sys.executable).parent
    arguments = [
        "protoc",
        f"-I{ROOT}",
        f"-I{files('grpc_tools') / '_proto'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        f"--plugin=protoc-gen-mypy={scripts / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={scripts / 'protoc-gen-mypy_grpc'}",
        *map(str, protos),
    ]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc failed")


def main() -> int:
    """Generate, or compare; return the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        fresh = {path.name: path for path in (Path(scratch) / PACKAGE).iterdir()}
        target = ROOT / PACKAGE
        committed = {path.name: path for path in target.glob("*_pb2*")}
        if "--check" in sys.argv[1:]:
            stale = [
                name
                for name in sorted(fresh.keys() | committed.keys())
                if name not in fresh
                or name not in committed
                or not filecmp.cmp(fresh[name], committed[name], shallow=False)
            ]
            if stale:
                print(f"not what the protos give: {', '.join(stale)}; run `make protos`")
            return 1 if stale else 0
        for name in committed.keys() - fresh.keys():
            committed[name].unlink()
        for name, path in fresh.items():
            shutil.copyfile(path, target / name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
