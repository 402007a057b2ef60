"""The images: the linter agrees, and what the Dockerfile promises can be read off it."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.paths import ROOT

DOCKERFILE = ROOT / "Dockerfile"
TEXT = DOCKERFILE.read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TARGETS = ("serve", "train")


@dataclass(frozen=True)
class Instruction:
    """One instruction, its continued lines joined; `stage` is empty before the first FROM."""

    stage: str
    name: str
    value: str


def instructions() -> Iterator[Instruction]:
    """Yield the instructions of the Dockerfile in order."""
    lines = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#"))
    stage = ""
    for line in lines.replace("\\\n", " ").splitlines():
        name, _, value = line.strip().partition(" ")
        if name == "FROM":
            stage = value.rpartition(" AS ")[2]
        if name:
            yield Instruction(stage, name, " ".join(value.split()))


ALL = list(instructions())
PARENT = {one.stage: one.value.split()[0] for one in ALL if one.name == "FROM"}


def of(target: str) -> list[Instruction]:
    """Return what makes up an image: the instructions of its stage and of those it is built on."""
    own = [one for one in ALL if one.stage == target]
    return (of(PARENT[target]) if PARENT[target] in PARENT else []) + own


def the(target: str, name: str) -> str:
    """Return the value that is in force of an instruction of an image."""
    return [one.value for one in of(target) if one.name == name][-1]


def sources(target: str) -> set[str]:
    """Return the stages that an image copies from, and those they are built on."""
    found = set()
    for one in of(target):
        copied = re.match(r"--from=(\S+)", one.value) if one.name == "COPY" else None
        while copied and (stage := copied[1]) in PARENT:
            found.add(stage)
            copied = re.match(r"(\S+)", PARENT[stage])
    return found


def tool(name: str) -> str:
    """Return the path of a tool of the environment that runs the tests."""
    found = shutil.which(name, path=Path(sys.executable).parent)
    assert found, f"{name} is not in the environment"
    return found


def test_hadolint_finds_nothing() -> None:
    """The linter passes, at its strictest."""
    command = [tool("hadolint"), "--no-fail", "--format", "json", str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_an_ignored_rule_is_explained() -> None:
    """A rule is only ignored under a comment that says why, and never for a whole file."""
    lines = TEXT.splitlines()
    ignored = [number for number, line in enumerate(lines) if "hadolint ignore" in line]
    for number in ignored:
        assert re.fullmatch(r"# hadolint ignore=DL\d{4}", lines[number])
        assert re.match(r"# [A-Z]", lines[number - 1]), lines[number - 1]
    assert "hadolint global" not in TEXT
    assert not list(ROOT.glob(".hadolint.y*ml"))


def test_the_base_is_an_argument() -> None:
    """Every stage stands on BASE or on another stage; BASE names a version, and not `latest`."""
    assert ALL[0].name == "ARG"
    name, _, default = ALL[0].value.partition("=")
    assert name == "BASE"
    assert re.fullmatch(r"python:3\.1[123]-slim-\w+", default)
    assert set(PARENT.values()) <= {"${BASE}", *PARENT}


def test_a_plain_build_serves() -> None:
    """Without a target, the serving image is made."""
    assert list(PARENT)[-1] == "serve"
    assert the("serve", "CMD") == '["serve"]'


@pytest.mark.parametrize("target", TARGETS)
def test_the_user_is_a_number_and_not_root(target: str) -> None:
    """A cluster that refuses root can tell from the number, and nothing is done after it."""
    assert re.fullmatch(r"[1-9]\d{4}:[1-9]\d{4}", the(target, "USER"))
    own = [one.name for one in of(target)]
    assert "RUN" not in own[own.index("USER") :]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_needs_a_shell(target: str) -> None:
    """What an image runs is a list of words, and SIGTERM reaches it."""
    assert json.loads(the(target, "ENTRYPOINT")) == ["throughline"]
    assert isinstance(json.loads(the(target, "CMD")), list)
    assert the(target, "STOPSIGNAL") == "SIGTERM"


def test_the_serving_image_checks_its_health() -> None:
    """The check is the command of the service itself, as words, with a time limit."""
    check = re.fullmatch(r"(.*) CMD (\[.*\])", the("serve", "HEALTHCHECK"))
    assert check is not None
    assert "--timeout=" in check[1]
    assert "--start-period=" in check[1]
    assert json.loads(check[2]) == ["throughline", "health"]


def test_the_serving_image_holds_nothing_that_trains() -> None:
    """No extra and no stage of training goes into the serving image."""
    assert sources("serve") == {"installer", "dependencies", "project"}
    built = [one.value for one in ALL if one.stage in sources("serve") and one.name == "RUN"]
    assert not [value for value in built if "--extra" in value or "apt-get" in value]
    required = {re.split(r"[\[<>=]", name)[0] for name in PROJECT["dependencies"]}
    assert not required & {"lightfm-next", "polars", "scipy", "scikit-learn", "pyarrow"}


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_that_installs_or_compiles_is_left(target: str) -> None:
    """Compiler, uv and pip are of the build stages only."""
    built = [one.value for one in of(target) if one.name == "RUN"]
    assert not [value for value in built if re.search(r"\b(gcc|install uv|uv sync)\b", value)]
    assert [value for value in built if 'rm -rf "$site"/pip' in value]
    assert PARENT[PARENT[target]] == "${BASE}"


def test_lightfm_runs_on_other_processors() -> None:
    """LightFM is compiled here, without -march=native, and for no level on ARM."""
    (made,) = [one.value for one in ALL if "--no-binary-package lightfm-next" in one.value]
    assert "LIGHTFM_NO_CFLAGS=1" in made
    assert 'CFLAGS="-O3 -ffast-math -fno-finite-math-only ${march:-}"' in made
    assert 'if [ "$(uname -m)" = x86_64 ]; then march=-march=x86-64-v2; fi' in made
    assert "native" not in made


def test_code_comes_after_dependencies() -> None:
    """A change of code installs no dependency again: that stage sees only the lock."""
    copied = [one.value for one in ALL if one.stage == "dependencies" and one.name == "COPY"]
    assert copied == ["pyproject.toml uv.lock ./"]
    for target in TARGETS:
        layers = [one.value for one in of(target) if one.name == "COPY"]
        assert layers[-1] == "--from=project /project /app"
        assert len(layers) == 2


def test_the_lock_is_what_is_installed() -> None:
    """uv is the locked one, and takes every package from the lock."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    (locked,) = [one["version"] for one in lock["package"] if one["name"] == "uv"]
    assert f"uv=={locked} " in TEXT.replace("\n", " ")
    assert TEXT.count("uv sync") == TEXT.count("uv sync --frozen")


def test_nothing_secret_or_foreign_is_built_in() -> None:
    """No file is fetched by ADD, no setting of the service and no secret is in the image."""
    assert not [one for one in ALL if one.name == "ADD"]
    for one in ALL:
        if one.name in {"ENV", "ARG"}:
            assert not re.search(r"THROUGHLINE_|KEY|TOKEN|PASSWORD|INDEX", one.value)


def test_only_what_the_wheel_is_made_of_is_sent_to_the_builder() -> None:
    """Everything is left out but what the Dockerfile copies."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        word
        for one in ALL
        if one.name == "COPY" and not one.value.startswith("--from")
        for word in one.value.split()[:-1]
    }
    assert sent == copied
    assert "**/__pycache__" in rules


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_says_what_it_is(target: str) -> None:
    """The labels of the Open Container Initiative name the version that the project has."""
    label = the(target, "LABEL")
    assert f'org.opencontainers.image.version="{PROJECT["version"]}"' in label
    for name in ("title", "description", "revision"):
        assert f"org.opencontainers.image.{name}=" in label


def test_a_server_has_one_thread_for_each_product() -> None:
    """The serving image sets what `throughline serve` would otherwise begin anew to set."""
    from service.config.environment import THREAD_LIMITS

    said = " ".join(one.value for one in of("serve") if one.name == "ENV")
    for name, value in THREAD_LIMITS.items():
        assert f"{name}={value}" in said


def test_what_was_compiled_is_looked_for_in_every_room() -> None:
    """The count of compiled functions that an image brings is of all modules of models."""
    program = [sys.executable, "-P", str(ROOT / "deploy/compiled.py")]
    said = subprocess.run(program, capture_output=True, text=True, check=False).stdout
    counted = int(said.split()[2])
    decorated = sum(
        path.read_text(encoding="utf-8").count("\n@compiled(")
        for path in (ROOT / "models").rglob("*.py")
    )
    assert counted == decorated > 0
