"""Redis Cluster as the servers of a store: each key goes to the node that has its slot.

One node that is away takes nothing from the others: each has a breaker of its own, all are written
to before any answer is waited for, and none is waited for longer than the call has time. Who asks
for a key of a node that is away gets `PartAway`.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Any

from redis.crc import key_slot
from redis.exceptions import (
    AskError,
    ClusterDownError,
    MovedError,
    ResponseError,
    TryAgainError,
)

from models.errors import StoreUnavailable
from service.store.database.backend import PartAway
from service.store.redis.answers import to_bytes
from service.store.redis.node import Command, Exchange, RedisNode
from service.store.redis.servers import Address, NodeMaker

_SLOTS = 16_384
_LOOK_SECONDS = 0.4  # between two looks at which node has which slot
_PAUSE = 0.01  # seconds, before asking again for a slot that is on its way to another node


class ClusterServers:
    """The primaries of a cluster."""

    one_slot = False

    def __init__(self, maker: NodeMaker) -> None:
        """Any of the hosts of the maker's URL tells of all others; raises `StoreUnavailable`."""
        self.name = f"redis cluster at {maker.url.hosts[0][0]}:{maker.url.hosts[0][1]}"
        self._maker = maker
        self._known: dict[Address, RedisNode] = {}
        self._slots: list[RedisNode] = []
        self._primaries: tuple[RedisNode, ...] = ()
        self._looking = threading.Lock()
        self._looked_at = 0.0
        self._stale = False
        self.look_again()

    @property
    def nodes(self) -> Sequence[RedisNode]:
        """Return the primaries."""
        return self._primaries

    def node_of(self, key: bytes) -> RedisNode:
        """Return the node that has a key, as far as is known."""
        return self._slots[key_slot(key)]

    def get(self, key: bytes) -> Any:
        """Return the value of a key, or an error of Redis."""
        if self._stale:
            self._look_when_due()
        try:
            answer = self.node_of(key).get(key)
        except StoreUnavailable as error:
            raise self._part_away(error) from error.__cause__
        if isinstance(answer, ResponseError):
            return self.exchange([("GETRANGE", key, 0, -1)])[0]
        return answer

    def exchange(self, commands: Sequence[Command], confirmed: bool = False) -> list[Any]:
        """Send each command to the node that has its key; return the answers in their order."""
        if self._stale:
            self._look_when_due()
        answers: list[Any] = [None] * len(commands)
        places: dict[RedisNode, list[int]] = {}
        for index, command in enumerate(commands):
            places.setdefault(self.node_of(key_of(command)), []).append(index)
        while places:
            sent = {
                node: [commands[index] for index in indices] for node, indices in places.items()
            }
            found = self._exchanged(sent, confirmed)
            again: dict[RedisNode, list[int]] = {}
            for node, indices in places.items():
                for index, answer in zip(indices, found[node], strict=True):
                    answers[index] = answer
                    if isinstance(answer, AskError) and not isinstance(answer, MovedError):
                        answers[index] = self._asked(node, answer, commands[index], confirmed)
                    if isinstance(answers[index], MovedError | TryAgainError):
                        again.setdefault(self._follow(node, answers[index]), []).append(index)
            places = again
        if any(isinstance(answer, ClusterDownError) for answer in answers):
            self._stale = True
        return answers

    def look_again(self) -> None:
        """Ask a node which node has which slot: first who answered last, then the others."""
        with self._looking:
            nodes = sorted(self._known.values(), key=lambda node: node.breaker.failing)
            seeds = [self._node(address) for address in self._maker.url.hosts]
            candidates = list(dict.fromkeys([*nodes, *seeds]))
            for left in range(len(candidates), 0, -1):
                node = candidates[len(candidates) - left]
                try:
                    with self._maker.budget.share(left):
                        (answer,) = node.exchange([("CLUSTER", "SLOTS")])
                    self._take(answer, node)
                except StoreUnavailable as error:
                    failure: StoreUnavailable = error
                except (TypeError, ValueError, IndexError):
                    failure = StoreUnavailable("no cluster, or none that has slots", node.name)
                else:
                    self._looked_at, self._stale = time.monotonic(), False
                    return
            self._looked_at = time.monotonic()
            raise failure

    def close(self) -> None:
        """Close the connections."""
        for node in self._known.values():
            node.drop()

    def _look_when_due(self) -> None:
        if time.monotonic() >= self._looked_at + _LOOK_SECONDS and not self._looking.locked():
            with suppress(StoreUnavailable), self._maker.budget.share(2):
                self.look_again()

    def _take(self, answer: Any, asked: RedisNode) -> None:
        """Go by the answer to CLUSTER SLOTS: first and last slot, the primary, its replicas."""
        slots: list[RedisNode | None] = [None] * _SLOTS
        for first, last, (host, port, *_), *_ in answer:
            name = to_bytes(host).decode() if host else self._host_of(asked)
            slots[first : last + 1] = [self._node((name, int(port)))] * (last + 1 - first)
        if len(slots) != _SLOTS or not any(slots):
            raise ValueError("no slots")
        # A slot that nobody has is asked for all the same, of whoever: the answer is CLUSTERDOWN.
        self._slots = [asked if node is None else node for node in slots]
        self._primaries = tuple(dict.fromkeys(node for node in slots if node is not None))

    def _node(self, address: Address) -> RedisNode:
        if address not in self._known:
            self._known[address] = self._maker.node(address)
        return self._known[address]

    def _host_of(self, node: RedisNode) -> str:
        return next(address[0] for address, known in self._known.items() if known is node)

    def _exchanged(
        self, parts: Mapping[RedisNode, Sequence[Command]], confirmed: bool
    ) -> dict[RedisNode, list[Any]]:
        """Send all parts, then read the answers of each node as they come."""
        if len(parts) == 1:
            ((node, commands),) = parts.items()
            try:
                return {node: node.exchange(commands, confirmed)}
            except StoreUnavailable as error:
                raise self._part_away(error) from error.__cause__
        found: dict[RedisNode, list[Any]] = {}
        failure: StoreUnavailable | None = None
        with DefaultSelector() as selector:
            for node, commands in parts.items():
                try:
                    sent = node.begin(commands, confirmed)
                    selector.register(sent.connection._sock, EVENT_READ, (node, sent))
                except StoreUnavailable as error:
                    failure = error
            while waiting := selector.get_map():
                ready = selector.select(self._maker.budget.left_to_connect())
                late = not ready
                for key in list(waiting.values()) if late else [key for key, _ in ready]:
                    node, sent = key.data
                    selector.unregister(key.fileobj)
                    try:
                        found[node] = _answers(sent, late)
                    except StoreUnavailable as error:
                        failure = error
        if failure is not None:
            raise self._part_away(failure) from failure.__cause__
        return found

    def _asked(self, node: RedisNode, answer: AskError, command: Command, confirmed: bool) -> Any:
        """Send one command to the node that its slot is on its way to."""
        self._check_time(node)
        return self._target(node, answer).exchange([("ASKING",), command], confirmed)[-1]

    def _follow(self, node: RedisNode, answer: Any) -> RedisNode:
        """Return whom to ask instead: where the slot went, or the same after a moment."""
        self._check_time(node)
        if isinstance(answer, MovedError):
            self._stale = True
            target = self._target(node, answer)
            self._slots[answer.slot_id] = target
            return target
        time.sleep(_PAUSE)
        return node

    def _check_time(self, node: RedisNode) -> None:
        if self._maker.budget.over:
            raise PartAway(f"{node.name}: it sends on and on, and the time is over")

    def _target(self, node: RedisNode, answer: AskError) -> RedisNode:
        return self._node((answer.host or self._host_of(node), answer.port))

    def _part_away(self, error: StoreUnavailable) -> PartAway:
        """Return the error of one node, which may not be what it was any more."""
        self._stale = True
        return PartAway(str(error))


def key_of(command: Command) -> bytes:
    """Return the key by which the node of a command is found."""
    key = command[3 if command[0] in ("EVALSHA", "EVAL") else 1]
    if not isinstance(key, bytes):
        raise TypeError("not a key")
    return key


def _answers(sent: Exchange, late: bool) -> list[Any]:
    if late:
        sent.give_up()
    return sent.answers()
