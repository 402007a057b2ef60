"""A reader who does what the pages say: types the commands of their blocks, line by line.

The directory is like the checkout. `throughline serve` and `redis-server` go on in the background,
as in a terminal of their own, until another is started. What a page repeats word for word, and
would be the same again, is not done again. What stands for something else is
put in: RELEASE is the newest release, DECISION the latest decision, OFFER one of its offers. Ports
are free ones, and `simulate` is made small.
"""

import contextlib
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from unittest import mock

from service import cli
from tests.support.manual_pages import Block
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.waiting import PATIENCE

LINKED = ("examples", "protos", "deploy", "bench", ".venv")
SMALL = "--customers 320 --days 20"
USUAL_PORTS = (50051, 6379, 9464)
NAMES = {"shop.example": "localhost"}
BACKGROUND = ("throughline serve", "redis-server")
SERVE = "throughline serve --clock 2026-03-01T09:00:00Z"
# Lines that need a service; one is started where none is there.
ASKING = re.compile(
    r"throughline (recommend|record|link|unlink|customer|health|offers|items)|buf curl"
    r"|python examples/clients"
)
# A decision record reaches the store some 50 ms after its answer.
NOT_YET = "decision: not in the store"
# What is the same when it is done again, and takes long.
ONCE = ("throughline train", "throughline releases list")
_SHELL = re.compile(r"[|<>&;]")
_DECISION = re.compile(r"\bDecision ([0-9a-f]{34})\b|\"decision_id\": \"([0-9a-f]{34})\"")
_OFFER = re.compile(r"\b(item:[\w-]+|promo-\w+)")
_MAKES = re.compile(r"--out (var/\S+)")


class Reader:
    """Runs blocks in a directory; what goes wrong is told with the block's place and the output."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ran = 0
        self._ports = {usual: free_port() for usual in USUAL_PORTS}
        self._background: dict[str, subprocess.Popen[bytes]] = {}
        self._said = ""
        environment = {
            name: value for name, value in os.environ.items() if "THROUGHLINE" not in name
        }
        self._environment = environment | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "THROUGHLINE_LAME_DUCK_SECONDS": "0",
        }
        self._own: dict[str, str] = {}
        self._once: set[str] = set()
        self._started: dict[str, str] = {}
        for name in LINKED:
            (directory / name).symlink_to(ROOT / name)
        (directory / "var").mkdir()

    @property
    def server(self) -> str:
        """Return where the service listens."""
        return f"127.0.0.1:{self._ports[50051]}"

    def read(self, block: Block) -> None:
        """Do what a block says, up to its end."""
        for line in block.commands:
            self._do(line, block.where)
            self.ran += 1

    def next_page(self) -> None:
        """Forget what a page exported; a service that it changed the ways of is ended."""
        if self._own:
            self._end("throughline serve")
        self._own.clear()

    def serve(self) -> None:
        """Have a service running, as most pages suppose."""
        running = self._background.get("throughline serve")
        if running is None or running.poll() is not None:
            self._do(SERVE, "the reader")

    def close(self) -> None:
        """End everything that is still running."""
        for program in list(self._background):
            self._end(program)

    def _do(self, line: str, where: str) -> None:
        if line.startswith("export "):
            assigned = (word.split("=", 1) for word in shlex.split(self._put_in(line))[1:])
            self._own.update((name, value) for name, value in assigned)
            return
        if line == "source .venv/bin/activate":
            return
        for program in BACKGROUND:
            if line.startswith(program):
                if line != self._started.get(program):
                    self._start(program, self._put_in(line), where)
                    self._started[program] = line
                return
        if ASKING.match(line):
            self.serve()
        if line in self._once:
            return
        if line.startswith(ONCE):
            self._once.add(line)
        code, said = self._run(self._put_in(line))
        end = time.monotonic() + PATIENCE
        while code and NOT_YET in said and time.monotonic() < end:
            time.sleep(0.05)
            code, said = self._run(self._put_in(line))
        assert code == 0, f"{where}: {line}\n{said[-2000:]}"
        if _DECISION.search(said):
            self._said = said

    def _run(self, line: str) -> tuple[int, str]:
        """Run a line; return its exit code and what it said."""
        environment = self._environment | {"THROUGHLINE_SERVER": self.server} | self._own
        if line.startswith("throughline ") and not _SHELL.search(line):
            # In this process: most of what a command costs is to import what it needs.
            said = io.StringIO()
            with (
                mock.patch.dict(os.environ, environment, clear=True),
                mock.patch.object(sys, "argv", shlex.split(line)),
                contextlib.chdir(self.directory),
                contextlib.redirect_stdout(said),
                contextlib.redirect_stderr(said),
            ):
                try:
                    cli.main()
                except SystemExit as ended:
                    return int(ended.code or 0), said.getvalue()
            return 0, said.getvalue()
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", line],
            cwd=self.directory,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return done.returncode, done.stdout

    def _put_in(self, line: str) -> str:
        made = _MAKES.search(line)
        if made:
            shutil.rmtree(self.directory / made[1], ignore_errors=True)
        if line.startswith("throughline simulate") and "--customers" not in line:
            line = f"{line} {SMALL}"
        for usual, free in self._ports.items():
            line = re.sub(rf":{usual}\b", f":{free}", line)
        for name, here in NAMES.items():
            line = line.replace(name, here)
        words = {"RELEASE": self._release, "DECISION": self._decision, "OFFER": self._offer}
        return re.sub(r"\b(RELEASE|DECISION|OFFER)\b", lambda found: words[found[0]](), line)

    def _release(self) -> str:
        found = [
            path for path in (self.directory / "var/registry").iterdir() if len(path.name) == 64
        ]
        return max(found, key=lambda path: path.stat().st_mtime_ns).name

    def _decision(self) -> str:
        *_, last = _DECISION.finditer(self._said)
        return str(last[1] or last[2])

    def _offer(self) -> str:
        found = _OFFER.search(self._said)
        assert found is not None, self._said
        return found[1]

    def _start(self, program: str, line: str, where: str) -> None:
        self._end(program)
        port = self._ports[6379 if program == "redis-server" else 50051]
        if program == "redis-server":
            line = f"{line} --port {port} --dir {self.directory / 'var'}"
        elif "--listen" not in line:
            line = f"{line} --listen {self.server}"
        log = self.directory / f"{program.split()[-1]}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}"],
                cwd=self.directory,
                env=self._environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        self._background[program] = process
        end = time.monotonic() + PATIENCE
        while not self._answers(program, port, log):
            ended = process.poll() is not None or time.monotonic() > end
            assert not ended, f"{where}: {line}\n{log.read_text()[-2000:]}"
            time.sleep(0.05)

    def _answers(self, program: str, port: int, log: Path) -> bool:
        if program == "throughline serve":
            return '"event": "ready"' in log.read_text()
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    def _end(self, program: str) -> None:
        self._started.pop(program, None)
        process = self._background.pop(program, None)
        if process is not None:
            process.terminate()
            process.wait(PATIENCE)
