"""What the servers of a store say of themselves, and what a person should know of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from service.store.database.backend import Durability
from service.store.redis.answers import to_bytes
from service.store.redis.node import Command

_PATTERNS = (
    *("append*", "no-appendfsync-on-rewrite", "maxmemory-policy"),
    *("min-replicas-to-write", "cluster-require-full-coverage"),
)
QUESTIONS: Sequence[Command] = (
    ("INFO", "server"),
    ("INFO", "replication"),
    *(("CONFIG", "GET", pattern) for pattern in _PATTERNS),
)


class ServerState(NamedTuple):
    """One server: which process it is, over which data, and how it is configured.

    `settings` is None where the client may not ask for them.
    """

    name: str
    run_id: str
    data_set: str
    clustered: bool
    replicas: int
    settings: Mapping[str, str] | None

    @property
    def durability(self) -> Durability:
        """Return what an acknowledged write survives."""
        wanted = {
            "appendonly": "yes",
            "appendfsync": "always",
            "no-appendfsync-on-rewrite": "no",
            "maxmemory-policy": "noeviction",
        }
        has = self.settings or {}
        durable = all(has.get(name) == value for name, value in wanted.items())
        return Durability.DURABLE if durable else Durability.RELAXED

    def remarks(self) -> list[str]:
        """Return what a person should know of the server, each with what to do."""
        if self.settings is None:
            return [
                f"{self.name}: CONFIG GET is not permitted, so nobody knows what an acknowledged "
                "write survives; permit it: ACL SETUSER USER +config|get"
            ]
        has = self.settings
        found = []
        policy = has.get("maxmemory-policy", "noeviction")
        if policy != "noeviction":
            found.append(
                f"maxmemory-policy is {policy}: when memory is full, customers are thrown away; "
                "set it to noeviction"
            )
        if has.get("appendonly") != "yes":
            found.append("appendonly is no: a crash loses acknowledged events; set it to yes")
        elif has.get("appendfsync") != "always":
            found.append(
                f"appendfsync is {has.get('appendfsync')}: a crash loses the last acknowledged "
                "events; set it to always"
            )
        elif has.get("no-appendfsync-on-rewrite") != "no":
            found.append(
                "no-appendfsync-on-rewrite is yes: a crash while the file is rewritten loses "
                "acknowledged events; set it to no"
            )
        if self.replicas and has.get("min-replicas-to-write", "0") == "0":
            found.append(
                f"{self.replicas} replicas, and min-replicas-to-write is 0: a failover may lose "
                "the last acknowledged events; set it to 1"
            )
        if self.clustered and has.get("cluster-require-full-coverage") == "yes":
            found.append(
                "cluster-require-full-coverage is yes: when one node is away, no customer is "
                "served; set it to no"
            )
        return [f"{self.name}: {one}" for one in found]


def state_of(name: str, answers: Sequence[Any]) -> ServerState:
    """Read the answers to `QUESTIONS`; raises `TypeError`, `ValueError`, or that of a refusal."""
    server, replication, *configs = answers
    for answer in (server, replication):
        if isinstance(answer, ResponseError):
            raise answer
    about = _lines(server)
    links = _lines(replication)
    settings: dict[str, str] | None = None
    if not any(isinstance(answer, ResponseError) for answer in configs):
        words = [to_bytes(word).decode() for answer in configs for word in answer]
        settings = dict(zip(words[::2], words[1::2], strict=True))
    return ServerState(
        name,
        about["run_id"],
        links["master_replid"],
        about.get("redis_mode") == "cluster",
        int(links["connected_slaves"]),
        settings,
    )


def _lines(answer: Any) -> dict[str, str]:
    lines = (line.partition(":") for line in to_bytes(answer).decode().splitlines())
    return {name: value for name, colon, value in lines if colon}
