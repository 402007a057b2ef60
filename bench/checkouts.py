"""Two checkouts of this project, each with an environment, a registry and stores of its own."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from bench import processes

PREPARE = Path(__file__).with_name("prepare.py")


class Checkout(NamedTuple):
    """A directory with a commit, and the programs of its environment."""

    root: Path
    programs: Path

    def __str__(self) -> str:
        """Return the short name of the commit, and whether there are changes to it."""
        commit = self._git("rev-parse", "--short", "HEAD")
        # Of no effect is a file that no commit has, unless one that is tracked was changed to it.
        changed = self._git("status", "--porcelain", "--untracked-files=no")
        return f"{commit} with changes" if changed else commit

    def run(self, program: str, *arguments: str) -> str:
        """Run a program of the environment in the directory, and return what it prints."""
        command = [str(self.programs / program), *arguments]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{self.root}: {program} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


HERE = Checkout(Path(__file__).resolve().parents[1], Path(sys.executable).parent)


def checkout_at(root: Path) -> Checkout:
    """Return the checkout in a directory; raises `SystemExit` if it has no environment."""
    programs = root.resolve() / ".venv" / "bin"
    if not (programs / "throughline").exists():
        raise SystemExit(f"{root} has no environment of its own: run `make .venv/.all` there")
    return Checkout(root.resolve(), programs)


class Side(NamedTuple):
    """A checkout, where its registry is, and a URL of each store."""

    checkout: Checkout
    home: Path
    urls: dict[str, str]

    def prepare(
        self, stores: Sequence[str], offers: int, ranked: bool, policy: Path | None
    ) -> list[str]:
        """Make world, release and stores by the checkout's own code; return the customers."""
        registry, stages = str(self.home / "registry"), "both" if ranked else "first"
        program = ["-c", PREPARE.read_text(), registry, str(offers), stages]
        customers = self.checkout.run("python", *program, *(self.urls[store] for store in stores))
        if policy is not None:
            publish = ("policy", "publish", str(policy.resolve()), "--registry", registry)
            self.checkout.run("throughline", *publish)
        return list(json.loads(customers))

    def service(
        self, core: int, store: str, moment: int
    ) -> AbstractContextManager[processes.Server]:
        """Serve by the checkout's own code."""
        clock = ("--clock", datetime.fromtimestamp(moment / 1e6, UTC).isoformat())
        program = (str(self.checkout.programs / "throughline"),)
        return processes.service([core], self.urls[store], self.home, *clock, program=program)


@contextmanager
def side_by_side(checkouts: Sequence[Checkout], stores: Sequence[str]) -> Iterator[list[Side]]:
    """Yield the checkouts with directories of their own and, where it is a store, their Redis."""
    _, other = processes.cores()
    with ExitStack() as running:
        scratch = running.enter_context(tempfile.TemporaryDirectory(prefix="throughline-bench-"))
        sides = []
        for name, checkout in zip(("here", "beside"), checkouts, strict=True):
            home = Path(scratch) / name
            home.mkdir()
            urls = {"sqlite": f"sqlite:{home / 'data'}"}
            if "redis" in stores:
                urls["redis"] = running.enter_context(processes.redis([other], home / "redis"))
            sides.append(Side(checkout, home, urls))
        yield sides
