"""The servers that keep a store: which one has a key, and how it is asked."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from service.store.database.counts import ErrorCounter
from service.store.database.redis_url import RedisUrl
from service.store.redis.node import Command, RedisNode
from service.store.redis.time_budget import TimeBudget, budgeted_connection

Address = tuple[str, int]  # host and port


class Servers(Protocol):
    """All that keep a part of a store. Every error is `StoreUnavailable`, save in an answer.

    `one_slot`: keys of different tags may be used together.
    """

    name: str
    one_slot: bool

    @property
    def nodes(self) -> Sequence[RedisNode]:
        """Return each server that takes writes."""

    def node_of(self, key: bytes) -> RedisNode:
        """Return the server that has a key."""

    def get(self, key: bytes) -> Any:
        """Return the value of a key, empty when there is none, or an error of Redis."""

    def exchange(self, commands: Sequence[Command], confirmed: bool = False) -> list[Any]:
        """Send each command to the server that has its key; return the answers in their order.

        `confirmed`: a replica has what was written, where there are replicas.
        """

    def look_again(self) -> None:
        """Find out which servers there are now."""

    def close(self) -> None:
        """Close the connections."""


class OneServer:
    """The one server of a store, or the one that is primary now."""

    one_slot = True

    def __init__(self, node: RedisNode) -> None:
        self.name = node.name
        self.nodes: Sequence[RedisNode] = (node,)
        self._node = node

    def node_of(self, key: bytes) -> RedisNode:
        """Return that server."""
        return self._node

    def get(self, key: bytes) -> Any:
        """Return the value of a key, empty when there is none, or an error of Redis."""
        return self._node.get(key)

    def exchange(self, commands: Sequence[Command], confirmed: bool = False) -> list[Any]:
        """Send commands in one round trip and return their answers."""
        return self._node.exchange(commands, confirmed)

    def look_again(self) -> None:
        """Do nothing: there is no other."""

    def close(self) -> None:
        """Close the connections."""
        self._node.drop()


class NodeMaker:
    """Makes the servers of one URL, with the credentials and options that it says."""

    def __init__(
        self, url: RedisUrl, timeout: float, budget: TimeBudget, errors: ErrorCounter
    ) -> None:
        """`timeout` in seconds. Raises `ValueError` for an option that cannot be read."""
        self.url = url
        self.kind: Any = redis.SSLConnection if url.tls else redis.Connection
        self.budget = budget
        self._timeout = timeout
        self._errors = errors
        # The client's own reader of URLs knows which of its options are numbers.
        self._options = options_of(url)

    def node(self, address: Address) -> RedisNode:
        """Return the server at a host and port."""
        options = {**self._options, "host": address[0], "port": address[1]}
        return self._made(f"redis at {address[0]}:{address[1]}", self.kind, options)

    def sentinel(self, address: Address) -> RedisNode:
        """Return a sentinel, which has credentials of its own."""
        options = {**self._options, "host": address[0], "port": address[1], "db": 0}
        for name in ("username", "password"):
            options[name] = options.get(f"sentinel_{name}")
        return self._made(f"sentinel at {address[0]}:{address[1]}", self.kind, options)

    def socket(self) -> RedisNode:
        """Return the server behind a socket of this machine."""
        options = {**self._options, "path": self.url.path}
        return self._made(f"redis at {self.url.path}", redis.UnixDomainSocketConnection, options)

    def followed(self, name: str, kind: Any) -> RedisNode:
        """Return a server whose connections find out by themselves where it is."""
        return self._made(name, kind, {**self._options, "host": "", "port": 0})

    def _made(self, name: str, kind: Any, options: Mapping[str, Any]) -> RedisNode:
        known = {key: value for key, value in options.items() if not key.startswith("sentinel_")}
        pool = redis.ConnectionPool(
            connection_class=budgeted_connection(kind, self.budget),
            # The client's own default, ten retries, has been seen to store one write twice.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            protocol=2,
            driver_info=None,  # two round trips less for each connection
            **known,
        )
        return RedisNode(name, pool, self.budget, self._errors)


def options_of(url: RedisUrl) -> dict[str, Any]:
    """Return what each connection is made with, host and port apart; raises `ValueError`."""
    query = "&".join(f"{name}={value}" for name, value in url.options)
    parse: Any = redis.connection.parse_url
    read: dict[str, Any] = parse(f"redis://h/?{query}") if query else {}
    read.pop("host", None)
    own = {"db": url.database, "username": url.username, "password": url.password}
    return {**read, **own}
