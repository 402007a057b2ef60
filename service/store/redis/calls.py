"""Calls of Redis that end in time, with one kind of error, and never mistake rubbish for an answer.

A call reads its answer here too: what cannot be read as an answer to what was asked is a failure of
Redis, whose connections are dropped, because what else is under way along them may be another
call's answer.
"""

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from models.errors import StoreUnavailable
from service.store.database.backend import OutOfTime
from service.store.database.counts import NO_ANSWER, NOT_ASKED, REFUSED, RUBBISH, ErrorCounter
from service.store.database.gate import Gate
from service.store.redis.circuit_breaker import CircuitBreaker, CircuitOpen
from service.store.redis.refusals import refusal, told
from service.store.redis.time_budget import TimeBudget, budgeted_connection

T = TypeVar("T")


class ScriptCall(NamedTuple):
    """The keys and arguments of one run of a script."""

    keys: tuple[bytes, ...]
    args: tuple[bytes | int, ...]


class RedisCalls:
    """The connections to the Redis at a URL, behind a breaker."""

    def __init__(self, url: str, timeout: float) -> None:
        """`timeout` in seconds, for each call as a whole, connecting included."""
        try:
            # The client's own default, ten retries, has been seen to store one write twice.
            self.client: Any = redis.Redis.from_url(
                url,
                socket_timeout=timeout,
                socket_connect_timeout=timeout,
                retry=Retry(NoBackoff(), 0),
                protocol=2,
                driver_info=None,  # two round trips less for each connection
            )
        except ValueError as error:
            raise StoreUnavailable(f"store: {error}") from None
        pool = self.client.connection_pool
        self._timeout = timeout
        self._allowance = TimeBudget()
        pool.connection_class = budgeted_connection(pool.connection_class, self._allowance)
        options = pool.connection_kwargs
        self._name = f"redis at {options.get('host', options.get('path'))}"
        self.errors = ErrorCounter()
        self.gate = Gate()
        self._breaker = CircuitBreaker((redis.ConnectionError, redis.TimeoutError, OSError))
        self._digests: dict[bytes, str] = {}
        self._kept: deque[Any] = deque()  # connections for `get`, each used by one thread at a time

    @property
    def breaker_openings(self) -> int:
        """Return how often Redis stopped answering."""
        return self._breaker.openings

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Bound what the calls of this thread in the block take together."""
        return self._allowance.within(seconds)

    def time_left(self) -> float:
        """Return what is left of that, in seconds; `inf` without a bound."""
        return self._allowance.left()

    def ask(self, call: Callable[[], T]) -> T:
        """Return what `call` makes of Redis's answers; raises nothing but `StoreUnavailable`."""
        self.gate.pass_through()
        if not self._allowance.begin(self._timeout):
            self.errors.add(NOT_ASKED)
            raise OutOfTime("no time left", self._name)
        try:
            return self._breaker.run(call)
        except CircuitOpen:
            self.errors.add(NOT_ASKED)
            raise StoreUnavailable("away; asked again in a moment", self._name) from None
        except redis.ResponseError as error:
            self.errors.add(REFUSED)
            raise refusal(self._name, error) from None
        except (redis.AuthenticationError, redis.BusyLoadingError) as error:
            self.errors.add(NO_ANSWER)
            raise StoreUnavailable(told(error), self._name) from None
        except (redis.ConnectionError, redis.TimeoutError, OSError) as error:
            self.errors.add(NO_ANSWER)
            raise StoreUnavailable("no answer", f"{self._name}: {error}") from None
        except Exception as error:
            self.errors.add(RUBBISH)
            # No answer to what was asked: nor is what else may come along these connections.
            self._drop_kept()
            self.client.connection_pool.disconnect(inuse_connections=False)
            raise StoreUnavailable(type(error).__name__, self._name) from error

    def close(self) -> None:
        """Close the connections."""
        self._drop_kept()
        self.client.close()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, None when there is none.

        Every decision waits for this call, so it has connections of its own: to take one from the
        pool costs four times as much.
        """
        return self.ask(lambda: self._get(key))

    def _get(self, key: bytes) -> bytes | None:
        command = b"*4\r\n$8\r\nGETRANGE\r\n$%d\r\n%s\r\n$1\r\n0\r\n$2\r\n-1\r\n" % (len(key), key)
        try:
            connection = self._kept.pop()
        except IndexError:
            return self._get_along(self.client.connection_pool.get_connection(), command)
        try:
            return self._get_along(connection, command)
        except redis.ConnectionError:
            # Redis may have closed it meanwhile, which only its use tells; to read again is safe.
            return self._get_along(self.client.connection_pool.get_connection(), command)

    def _get_along(self, connection: Any, command: bytes) -> bytes | None:
        whole = False
        try:
            if connection.can_read():
                raise redis.ConnectionError("an answer that nobody waited for")
            connection.send_packed_command([command], check_health=False)
            answer = connection.read_response()
            whole = isinstance(answer, bytes)
        except redis.ResponseError:
            whole = True
            raise
        finally:
            if whole:
                self._kept.append(connection)
            else:
                connection.disconnect()
                self.client.connection_pool.release(connection)
        if not whole:
            raise TypeError("not bytes")
        return answer or None

    def _drop_kept(self) -> None:
        while self._kept:
            connection = self._kept.pop()
            connection.disconnect()
            self.client.connection_pool.release(connection)

    def pipeline(
        self,
        commands: Sequence[tuple[Any, ...]],
        read: Callable[[Any], T],
        atomic: bool = False,
    ) -> list[T]:
        """Send commands in one round trip and return what `read` makes of each answer."""
        if not commands:
            return []

        def call() -> list[T]:
            with self.client.pipeline(transaction=atomic) as pipeline:
                for command in commands:
                    pipeline.execute_command(*command)
                return [read(answer) for answer in pipeline.execute()]

        return self.ask(call)

    def run(self, script: bytes, calls: Sequence[ScriptCall], read: Callable[[list[Any]], T]) -> T:
        """Run a script for each call, in one round trip, and load it where it is not known."""

        def call(calls: Sequence[ScriptCall]) -> list[Any]:
            digest = self._digests.get(script)
            if digest is None:
                digest = self._digests[script] = self.client.script_load(script)
            if len(calls) == 1:
                keys, args = calls[0]
                return [self.client.evalsha(digest, len(keys), *keys, *args)]
            with self.client.pipeline(transaction=False) as pipeline:
                for keys, args in calls:
                    pipeline.evalsha(digest, len(keys), *keys, *args)
                answers: list[Any] = pipeline.execute()
                return answers

        def loaded() -> T:
            try:
                return read(call(calls))
            except redis.exceptions.NoScriptError:
                # After a restart it knows none. Any write that did run is now one that lost.
                self._digests.pop(script, None)
                return read(call(calls))

        return self.ask(loaded)
