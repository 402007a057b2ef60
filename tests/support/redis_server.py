"""A real redis-server that keeps every write on disk, and may be stopped and started again."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import redis

from tests.support.ports import free_port
from tests.support.waiting import PATIENCE

COMMAND = shutil.which("redis-server") or "/usr/bin/redis-server"


class RedisServer:
    """A redis-server that keeps every write on disk in a directory."""

    def __init__(self, directory: Path, **settings: str) -> None:
        """`settings` are more of its own, underscores for dashes."""
        self._directory = directory
        self._settings = {name.replace("_", "-"): value for name, value in settings.items()}
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self._directory),
            "appendonly": "yes",
            "appendfsync": "always",
            "save": "",
            "enable-debug-command": "yes",
            "hz": "1",
            **self._settings,
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen([COMMAND, *arguments], stdout=subprocess.DEVNULL)
        with self.client() as client:
            for _ in range(200):
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(0.05)
                else:
                    return
        raise AssertionError("redis-server does not answer")

    def client(self) -> redis.Redis:
        """Return a plain client of the server."""
        return redis.Redis.from_url(self.url, socket_timeout=PATIENCE)

    def send(self, number: int) -> None:
        """Send a signal to the server."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None


def require_redis() -> None:
    """Skip, or fail where THROUGHLINE_REQUIRE_REDIS=1, when there is no redis-server."""
    if Path(COMMAND).exists():
        return
    if os.environ.get("THROUGHLINE_REQUIRE_REDIS") == "1":
        pytest.fail("redis-server is not installed, and THROUGHLINE_REQUIRE_REDIS=1")
    pytest.skip("NOT TESTED AGAINST REDIS: redis-server is not installed (apt install it)")
