"""One server of Redis: connections that are kept, behind a breaker, each call in its time.

What is sent along a connection is answered along it, in that order, before anybody else uses it; a
connection whose answers did not all arrive is dropped. So nothing is sent twice, and no answer is
taken for another's.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import redis

from models.errors import StoreUnavailable
from service.store.database.counts import NO_ANSWER, NOT_ASKED, RUBBISH, ErrorCounter
from service.store.redis.circuit_breaker import CircuitBreaker, CircuitOpen
from service.store.redis.refusals import told
from service.store.redis.time_budget import TimeBudget

# The words of a command; the key by which its server is found stands where `key_of` looks.
Command = tuple[bytes | str | int, ...]

_NO_ANSWER = (redis.ConnectionError, redis.TimeoutError, OSError)
# Seconds of what is left that no replica is waited for: Redis looks at the time every tenth of one.
_WAIT_LESS = 0.12


class RedisNode:
    """One server, for all threads. Every error is `StoreUnavailable`, but an answer that is one."""

    def __init__(self, name: str, pool: Any, budget: TimeBudget, errors: ErrorCounter) -> None:
        """`pool` makes connections that keep to `budget`."""
        self.name = name
        self.breaker = CircuitBreaker(_NO_ANSWER)
        self.replicas = 0  # that are connected to it, when last looked at
        self.budget = budget
        self._pool = pool
        self._errors = errors
        self._kept: deque[Any] = deque()  # each used by one thread at a time

    def exchange(self, commands: Sequence[Command], confirmed: bool = False) -> list[Any]:
        """Send commands in one round trip and return their answers, errors of Redis among them.

        `confirmed`: where there are replicas, one of them has what was written.
        """
        return self.begin(commands, confirmed).answers()

    def begin(self, commands: Sequence[Command], confirmed: bool = False) -> "Exchange":
        """Send commands, and leave the answers to be waited for."""
        confirmed = confirmed and self.replicas > 0
        if confirmed:
            milliseconds = max(1, int(1000 * (self.budget.left_to_connect() - _WAIT_LESS)))
            commands = [*commands, ("WAIT", 1, milliseconds)]
        return self._begin(None, commands, len(commands), confirmed)

    def get(self, key: bytes) -> Any:
        """Return the value of a key, empty when there is none, or an error of Redis.

        Every decision waits for this call, so its command is packed by hand.
        """
        packed = b"*4\r\n$8\r\nGETRANGE\r\n$%d\r\n%s\r\n$1\r\n0\r\n$2\r\n-1\r\n" % (len(key), key)
        (answer,) = self._begin(packed, (), 1, False).answers()
        return answer

    def drop(self) -> None:
        """Close the connections that nobody uses."""
        while self._kept:
            self.let_go(self._kept.pop())

    def keep(self, connection: Any) -> None:
        """Keep a connection all of whose answers arrived."""
        self._kept.append(connection)

    def let_go(self, connection: Any) -> None:
        """Close a connection along which something else may come."""
        connection.disconnect()
        self._pool.release(connection)

    def failure(self, error: Exception) -> StoreUnavailable:
        """Return what is told, and count, of an error at which a connection was dropped."""
        if isinstance(error, CircuitOpen):
            self._errors.add(NOT_ASKED)
            return StoreUnavailable("away; asked again in a moment", self.name)
        if isinstance(error, redis.AuthenticationError | redis.BusyLoadingError):
            self._errors.add(NO_ANSWER)
            return StoreUnavailable(told(error), self.name)
        if isinstance(error, _NO_ANSWER):
            self._errors.add(NO_ANSWER)
            return StoreUnavailable("no answer", f"{self.name}: {error}")
        self._errors.add(RUBBISH)
        # No answer to what was asked: nor is what else may come along these connections.
        self.drop()
        return StoreUnavailable(type(error).__name__, self.name)

    def _begin(
        self, packed: bytes | None, commands: Sequence[Command], count: int, confirmed: bool
    ) -> "Exchange":
        try:
            probing = self.breaker.enter()
        except CircuitOpen as error:
            raise self.failure(error) from None
        connection = None
        try:
            connection = self._connection()
            sent = connection.pack_commands(commands) if packed is None else (packed,)
            connection.send_packed_command(sent, check_health=False)
        except BaseException as error:
            if connection is not None:
                self.let_go(connection)
            self.breaker.leave(probing, error)
            if isinstance(error, Exception):
                raise self.failure(error) from error
            raise
        return Exchange(self, connection, count, probing, confirmed)

    def _connection(self) -> Any:
        try:
            connection = self._kept.pop()
        except IndexError:
            return self._pool.get_connection()
        try:
            usable = not connection.can_read()
        except _NO_ANSWER:
            usable = False
        if usable:
            return connection
        # Redis closed it meanwhile, or an answer came that nobody waited for.
        self.let_go(connection)
        return self._pool.get_connection()


class Exchange:
    """Commands that were sent to a server and are not answered yet."""

    def __init__(
        self, node: RedisNode, connection: Any, count: int, probing: bool, confirmed: bool
    ) -> None:
        self.connection = connection
        self._node = node
        self._count = count
        self._probing = probing
        self._confirmed = confirmed

    def answers(self) -> list[Any]:
        """Wait for all answers; raises `StoreUnavailable`, then what was done is not known."""
        node, read = self._node, self._read
        answers: list[Any] = []
        try:
            for _ in range(self._count):
                answers.append(read())
        except redis.TimeoutError as error:
            node.let_go(self.connection)
            if self._confirmed and len(answers) == self._count - 1:
                # The server answers; it is its replica that is waited for.
                node.breaker.leave(self._probing, None)
                raise self._unconfirmed() from None
            node.breaker.leave(self._probing, error)
            raise node.failure(error) from error
        except BaseException as error:
            node.let_go(self.connection)
            node.breaker.leave(self._probing, error)
            if isinstance(error, Exception):
                raise node.failure(error) from error
            raise
        node.keep(self.connection)
        node.breaker.leave(self._probing, None)
        if self._confirmed:
            replicas = answers.pop()
            if not isinstance(replicas, int) or replicas < 1:
                raise self._unconfirmed()
        return answers

    def _unconfirmed(self) -> StoreUnavailable:
        return StoreUnavailable("not confirmed by a replica", self._node.name)

    def give_up(self) -> None:
        """Wait for no answer."""
        error = redis.TimeoutError("no answer in time")
        self._node.let_go(self.connection)
        self._node.breaker.leave(self._probing, error)
        raise self._node.failure(error)

    def _read(self) -> Any:
        try:
            return self.connection.read_response()
        except redis.ResponseError as error:
            return error
