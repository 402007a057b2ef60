"""Three redis-servers that are a cluster, on loopback; each may be stopped and started again."""

from pathlib import Path
from typing import Any

from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.waiting import eventually

NODES = 3
SLOTS = 16_384


class RedisCluster:
    """A cluster of three primaries, each with a third of the slots."""

    def __init__(self, directory: Path) -> None:
        self.nodes = []
        self._bus = ports = [free_port() for _ in range(NODES)]
        for number in range(NODES):
            place = directory / f"node{number}"
            place.mkdir()
            self.nodes.append(
                RedisServer(
                    place,
                    cluster_enabled="yes",
                    cluster_node_timeout="1000",
                    cluster_require_full_coverage="no",
                    cluster_port=str(ports[number]),
                    hz="10",
                )
            )
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.url = f"redis+cluster://{hosts}"

    def start(self) -> None:
        """Start all nodes, have them meet, and wait until each knows who has what."""
        for number, node in enumerate(self.nodes):
            node.start()
            with node.client() as client:
                first, last = (SLOTS * at // NODES for at in (number, number + 1))
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last - 1)
        with self.nodes[0].client() as client:
            for node, bus in zip(self.nodes[1:], self._bus[1:], strict=True):
                client.execute_command("CLUSTER MEET", "127.0.0.1", node.port, bus)
        assert eventually(lambda: all(map(_whole, self.nodes)))

    def empty(self) -> None:
        """Forget everything."""
        for node in self.nodes:
            with node.client() as client:
                client.flushall()

    def kill(self) -> None:
        """End all nodes at once."""
        for node in self.nodes:
            node.kill()


def _whole(node: RedisServer) -> bool:
    with node.client() as client:
        about: Any = client.execute_command("CLUSTER INFO")
        slots: Any = client.execute_command("CLUSTER SLOTS")
    return bool(about["cluster_state"] == "ok" and len(slots) == NODES)
