"""The project's shape: imports go one way, and heavy packages stay where they belong."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.modules import MODULES, PACKAGES, imports, name_of, tops
from tests.support.paths import ROOT

# What would let the outside into the pure middle: network, clock, environment, chance, storage.
IMPURE = {
    *("asyncio", "grpc", "http", "multiprocessing", "random", "redis", "requests", "secrets"),
    *("socket", "sqlite3", "subprocess", "threading", "time", "urllib", "uuid"),
    *("google", "polars", "pyarrow", "pydantic", "pydantic_settings", "structlog", "throughline"),
}

# Packages that exactly one file, or one package, may import.
ONLY_IN = {
    "pyarrow": ("service/dataset/parquet.py", "training/importing/files/parquet.py"),
    "lightfm": ("training/retrieval/fit.py",),
    "lightgbm": ("training/ranking/fit_trees.py",),
    "implicit": ("training/opponents/ials.py",),
    "polars": ("training/",),
    "redis": ("service/",),
    "grpc": ("service/",),
}

# Functions of ten or more parameters: what is known together is handed on as one struct.
MANY_PARAMETERS = {
    "service/commands/customers.py": {"recommend", "record"},  # options of a command line
    "service/commands/serve.py": {"serve"},  # options of a command line
    "training/commands.py": {"evaluate"},  # options of a command line
}

# A clock is read by these; a field may be called `now`.
CLOCK = re.compile(r"\b(datetime|date|dt)\.(now|utcnow|today)$")


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    """Service and training use models and never each other; models neither; nobody the demo."""
    package = path.relative_to(ROOT).parts[0]
    forbidden = {
        "service": {"training", "demo", "tests"},
        "training": {"service", "throughline", "demo", "tests"},
        "models": {"service", "training", "demo", "tests"},
        "demo": {"training", "tests"},
    }[package]
    assert not tops(path) & forbidden


@pytest.mark.parametrize(
    "path", [path for path in MODULES if path.is_relative_to(ROOT / "models")], ids=name_of
)
def test_the_middle_is_pure(path: Path) -> None:
    """A module of models opens no connection, reads no clock or environment, draws no chance."""
    assert not tops(path) & IMPURE
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Attribute):
            read = ast.unparse(node)
            assert read not in {"os.environ", "os.getenv", "np.random", "numpy.random"}, read
            assert not CLOCK.search(read), read


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_heavy_packages_stay_where_they_belong(path: Path) -> None:
    """Parquet, LightFM, Polars, Redis and gRPC are imported only where the design puts them."""
    for package in tops(path) & ONLY_IN.keys():
        assert name_of(path).startswith(ONLY_IN[package]), package


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_does(path: Path) -> None:
    """A module has a docstring, and at most 350 lines."""
    source = path.read_text(encoding="utf-8")
    if path.name != "__init__.py" or source:
        assert ast.get_docstring(ast.parse(source))
    assert source.count("\n") <= 350


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_function_has_ten_parameters(path: Path) -> None:
    """Compiled loops too take fewer, but for the options of the commands that are listed."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            named = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if len([one for one in named if one.arg not in ("self", "cls")]) >= 10:
                found.add(node.name)
    assert found == MANY_PARAMETERS.get(name_of(path), set())


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_can_be_imported(package: str) -> None:
    """Each module imports by its name, without a warning."""
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        importlib.import_module(".".join(part for part in parts if part != "__init__"))


def test_serving_needs_neither_training_nor_parquet() -> None:
    """Everything that `throughline serve` imports works without the extras."""
    program = """
import sys
for name in ("lightfm", "lightgbm", "polars", "scipy", "pyarrow"):
    sys.modules[name] = None
import service.client, demo.command
import service.commands.answers, service.commands.recording, service.commands.serve
import models.decision.decide
"""
    subprocess.run([sys.executable, "-P", "-c", program], check=True)


def test_what_tests_share_is_in_no_test() -> None:
    """No module imports a test: what several of them need is in one that says what it holds."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        assert not [name for name in imports(path) if ".test_" in name], name_of(path)


def test_no_package_clashes_with_another() -> None:
    """The console script, and the packages, are the only ones of their names in the environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["scripts"] == {"throughline": "service.cli:main"}
    claims = []
    for metadata in (
        Path(importlib.import_module("grpc").__file__ or "")
        .parents[1]
        .glob("*.dist-info/entry_points.txt")
    ):
        points = configparser.ConfigParser(delimiters=("=",), strict=False)
        points.read_string(metadata.read_text(encoding="utf-8"))
        if points.has_option("console_scripts", "throughline"):
            claims.append(metadata.parent.name)
    assert len(claims) == 1
    for package in (*PACKAGES, "throughline"):
        found = importlib.import_module(package).__path__
        assert all(Path(entry).is_relative_to(ROOT) for entry in found), package
