"""A redis-server, a replica of it and a sentinel that makes the replica the primary."""

import subprocess
from pathlib import Path
from typing import Any

import redis

from tests.support.ports import free_port
from tests.support.redis_server import COMMAND, RedisServer
from tests.support.waiting import PATIENCE, eventually

SERVICE = "shop"


class RedisSentinel:
    """A primary and a replica, watched over by one sentinel."""

    def __init__(self, directory: Path) -> None:
        self.servers = []
        for name in ("one", "two"):
            (directory / name).mkdir()
            self.servers.append(RedisServer(directory / name, repl_diskless_sync_delay="0"))
        self._directory = directory
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"redis+sentinel://127.0.0.1:{self._port}/{SERVICE}/0"

    def start(self) -> None:
        """Start all, and wait until the replica is in sync and the sentinel knows of it."""
        primary, replica = self.servers
        primary.start()
        replica.start()
        with replica.client() as client:
            client.replicaof("127.0.0.1", str(primary.port))
            assert eventually(lambda: in_sync(replica))
        # The replica calls its link up before the primary counts it among those that confirm.
        assert eventually(lambda: confirmed(primary))
        settings = self._directory / "sentinel.conf"
        settings.write_text(
            f"port {self._port}\nbind 127.0.0.1\ndir {self._directory}\n"
            f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {SERVICE} 500\n"
            f"sentinel failover-timeout {SERVICE} 2000\n"
        )
        self._process = subprocess.Popen(
            [COMMAND, str(settings), "--sentinel"], stdout=subprocess.DEVNULL
        )
        assert eventually(lambda: self._about().get(b"num-slaves") == b"1")

    def primary(self) -> RedisServer:
        """Return whom the sentinel calls the primary."""
        port = int(self._about()[b"port"])
        return next(server for server in self.servers if server.port == port)

    def fail_over(self) -> None:
        """Have the sentinel make the replica the primary."""
        assert eventually(self._ordered)

    def empty(self) -> None:
        """Forget everything."""
        with self.primary().client() as client:
            client.flushall()
            client.execute_command("WAIT", 1, 1000)

    def kill(self) -> None:
        """End all at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
        for server in self.servers:
            server.kill()

    def _ordered(self) -> bool:
        with redis.Redis(port=self._port, socket_timeout=PATIENCE) as client:
            try:
                client.execute_command("SENTINEL", "FAILOVER", SERVICE)
            except redis.ResponseError:
                return False  # it does not know yet how far the replica is
        return True

    def _about(self) -> dict[bytes, bytes]:
        with redis.Redis(port=self._port, socket_timeout=PATIENCE) as client:
            try:
                said: Any = client.execute_command("SENTINEL", "MASTER", SERVICE)
            except redis.RedisError:
                return {}
        return dict(said)


def confirmed(primary: RedisServer) -> bool:
    """Tell whether a replica confirms what an empty primary is told."""
    with primary.client() as client:
        client.flushall()
        return bool(client.execute_command("WAIT", 1, 1000) == 1)


def in_sync(replica: RedisServer) -> bool:
    """Tell whether a replica has all that its primary has, and hears from it."""
    with replica.client() as client:
        about: Any = client.info("replication")
    return bool(about.get("master_link_status") == "up")
