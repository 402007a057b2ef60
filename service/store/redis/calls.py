"""Calls of Redis that end in time, with one kind of error, and never mistake rubbish for an answer.

A call reads its answer here too: what cannot be read as an answer to what was asked is a failure of
Redis, whose connections are dropped, because what else is under way along them may be another
call's answer.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

from redis.exceptions import NoScriptError, ResponseError

from models.errors import BadInput, StoreUnavailable
from service.store.database.backend import OutOfTime
from service.store.database.counts import NOT_ASKED, REFUSED, RUBBISH, ErrorCounter
from service.store.database.gate import Gate
from service.store.database.redis_url import RedisUrl, parse_redis_url
from service.store.redis.answers import to_bytes
from service.store.redis.cluster import ClusterServers
from service.store.redis.node import Command, RedisNode
from service.store.redis.refusals import refusal
from service.store.redis.sentinel import SentinelServers
from service.store.redis.servers import NodeMaker, OneServer, Servers
from service.store.redis.time_budget import TimeBudget

T = TypeVar("T")


class ScriptCall(NamedTuple):
    """The keys and arguments of one run of a script."""

    keys: tuple[bytes, ...]
    args: tuple[bytes | int, ...]


class RedisCalls:
    """The connections to the servers at a URL."""

    def __init__(self, url: str, timeout: float) -> None:
        """`timeout` in seconds, for each call as a whole, connecting included.

        Raises `BadInput` for a URL that cannot be read, and `StoreUnavailable` where a cluster does
        not answer.
        """
        self.errors = ErrorCounter()
        self.gate = Gate()
        self._timeout = timeout
        self._allowance = TimeBudget()
        try:
            parsed = parse_redis_url(url)
            maker = NodeMaker(parsed, timeout, self._allowance, self.errors)
        except ValueError as error:
            raise BadInput("store", str(error)) from None
        self._begin("store")
        self._url = parsed
        self._servers = _servers(parsed, maker)
        self._digests: dict[bytes, str] = {}

    @property
    def nodes(self) -> Sequence[RedisNode]:
        """Return each server that takes writes."""
        return self._servers.nodes

    @property
    def breaker_openings(self) -> int:
        """Return how often a server stopped answering."""
        return sum(node.breaker.openings for node in self._servers.nodes)

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what the calls of this thread in the block take together."""
        return self._allowance.within(seconds)

    def time_left(self) -> float:
        """Return what is left of that, in seconds; `inf` without a bound."""
        return self._allowance.left()

    def close(self) -> None:
        """Close the connections."""
        self._servers.close()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None when there is none."""
        name = self._servers.name
        self._begin(name)
        answer = self._servers.get(key)
        if isinstance(answer, bytes):
            return answer or None
        raise self._no_answer(answer, TypeError("not bytes"))

    def command(self, words: Command, read: Callable[[Any], T]) -> T:
        """Send one command and return what `read` makes of its answer."""
        return self.pipeline([words], read)[0]

    def pipeline(
        self, commands: Sequence[Command], read: Callable[[Any], T], atomic: bool = False
    ) -> list[T]:
        """Send commands in one round trip and return what `read` makes of each answer.

        `atomic`: all at one moment, where one server has all keys.
        """
        if not commands:
            return []
        self._begin(self._servers.name)
        answers = (
            self._transaction(commands)
            if atomic and self._servers.one_slot
            else self._servers.exchange(commands)
        )
        return self.read(answers, lambda found: [read(answer) for answer in found])

    def run(
        self,
        script: bytes,
        calls: Sequence[ScriptCall],
        read: Callable[[list[Any]], T],
        confirmed: bool = False,
    ) -> T:
        """Run a script for each call, in one round trip, and send it where it is not known.

        `confirmed`: where there are replicas, one of them has what was written, or this raises
        `StoreUnavailable`.
        """
        digest = self._digests.get(script)
        if digest is None:
            digest = hashlib.sha1(script, usedforsecurity=False).hexdigest()
            self._digests[script] = digest
        commands: list[Command] = [
            ("EVALSHA", digest, len(keys), *keys, *args) for keys, args in calls
        ]
        self._begin(self._servers.name)
        answers = self._servers.exchange(commands, confirmed)
        # After a restart a server knows none.
        unknown = [at for at, answer in enumerate(answers) if isinstance(answer, NoScriptError)]
        if unknown:
            again: list[Command] = [("EVAL", script, *commands[at][2:]) for at in unknown]
            for at, answer in zip(unknown, self._servers.exchange(again, confirmed), strict=True):
                answers[at] = answer
        return self.read(answers, read)

    def ask_node(self, node: RedisNode, commands: Sequence[Command]) -> list[Any]:
        """Send commands to one server; an answer may be an error of Redis."""
        self._begin(node.name)
        return node.exchange(commands)

    def each_node(
        self, commands: Callable[[RedisNode], Sequence[Command]]
    ) -> Iterator[tuple[RedisNode, list[Any] | StoreUnavailable]]:
        """Send commands to each server and yield its answers, or its failure.

        An answer may be an error of Redis.
        """
        for node in self._servers.nodes:
            try:
                yield node, self.ask_node(node, commands(node))
            except StoreUnavailable as error:
                yield node, error

    def scan(self, pattern: bytes, count: int) -> Iterator[list[bytes]]:
        """Yield the keys that match a glob, some perhaps twice, in pages of about `count`."""
        for node in self._servers.nodes:
            cursor = b"0"
            while True:
                answers = self.ask_node(node, [("SCAN", cursor, "MATCH", pattern, "COUNT", count)])
                cursor, keys = self.read(answers, _page)
                yield keys
                if cursor == b"0":
                    break

    def read(self, answers: list[Any], read: Callable[[list[Any]], T]) -> T:
        """Return what `read` makes of answers; raises `StoreUnavailable` where one is an error."""
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise self.refused(answer)
        return self.judge(answers, read)

    def judge(self, answers: list[Any], read: Callable[[list[Any]], T]) -> T:
        """Do the same where `read` itself knows what an error among the answers means."""
        try:
            return read(answers)
        except Exception as error:
            raise self._no_answer(error, error) from error

    def look_again(self) -> None:
        """Find out which servers there are now."""
        self._begin(self._servers.name)
        self._servers.look_again()

    def node_of(self, key: bytes) -> RedisNode:
        """Return the server that has a key."""
        return self._servers.node_of(key)

    def remarks(self) -> list[str]:
        """Return what a person should know of where this is."""
        if self._url.database:
            return [
                f"the store is in database {self._url.database}: others of the same Redis share "
                "its memory, and FLUSHALL empties all; better give it a Redis of its own"
            ]
        return []

    def refused(self, error: Exception) -> StoreUnavailable:
        """Return the error of an answer of Redis that is one, and count it."""
        self.errors.add(REFUSED)
        return refusal(self._servers.name, error)

    def _transaction(self, commands: Sequence[Command]) -> list[Any]:
        answer = self._servers.exchange([("MULTI",), *commands, ("EXEC",)])[-1]
        if isinstance(answer, ResponseError):
            raise self.refused(answer)
        if not isinstance(answer, list) or len(answer) != len(commands):
            raise self._no_answer(answer, TypeError("not an answer to each command"))
        return answer

    def _begin(self, name: str) -> None:
        self.gate.pass_through()
        if not self._allowance.begin(self._timeout):
            self.errors.add(NOT_ASKED)
            raise OutOfTime("no time left", name)

    def _no_answer(self, answer: Any, error: Exception) -> StoreUnavailable:
        """Return the error of what was no answer to what was asked; nor may what follows be."""
        if isinstance(answer, ResponseError):
            return self.refused(answer)
        self.errors.add(RUBBISH)
        for node in self._servers.nodes:
            node.drop()
        return StoreUnavailable(type(error).__name__, self._servers.name)


def _servers(url: RedisUrl, maker: NodeMaker) -> Servers:
    if url.cluster:
        return ClusterServers(maker)
    if url.service is not None:
        return SentinelServers(maker)
    return OneServer(maker.socket() if url.path is not None else maker.node(url.hosts[0]))


def _page(answers: list[Any]) -> tuple[bytes, list[bytes]]:
    ((cursor, keys),) = answers
    return to_bytes(cursor), [to_bytes(key) for key in keys]
