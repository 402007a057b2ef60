"""Looks at the servers of a store from time to time: who they are, and how safe a write is."""

from collections.abc import Sequence

from models.errors import StoreUnavailable
from service.store.database.backend import Durability
from service.store.database.format import MIGRATE
from service.store.redis.answers import to_nothing
from service.store.redis.calls import RedisCalls
from service.store.redis.node import Command, RedisNode
from service.store.redis.rights import first_keys
from service.store.redis.server_state import QUESTIONS, ServerState, state_of
from service.store.redis.store_header import StoreHeader


class ServerWatch:
    """What was seen of the servers at the last look."""

    def __init__(self, calls: RedisCalls, header: StoreHeader) -> None:
        self._calls = calls
        self._header = header
        self._states: dict[str, ServerState] = {}
        self._away: dict[str, str] = {}

    @property
    def durability(self) -> Durability:
        """Return what an acknowledged write survives, whichever server it was made on."""
        states = self._states.values()
        durable = states and all(state.durability is Durability.DURABLE for state in states)
        return Durability.DURABLE if durable else Durability.RELAXED

    @property
    def lineage(self) -> str:
        """Return which processes answer, and over which data; one that is away as last seen."""
        return " ".join(sorted(f"{one.run_id}:{one.data_set}" for one in self._states.values()))

    def remarks(self) -> list[str]:
        """Return what a person should know of the servers."""
        found = []
        if self._header.former:
            found.append(
                "the keys do not say whose they are, as in versions before; the store is served, "
                f"and to be migrated: `{MIGRATE}`"
            )
        found += [f"{name}: away ({why})" for name, why in sorted(self._away.items())]
        for name in sorted(self._states):
            found += self._states[name].remarks()
        return found + self._calls.remarks()

    def look(self, *, writing: bool = True) -> None:
        """Look at each server; raises `StoreUnavailable` unless one answers, or takes writes."""
        self._calls.look_again()
        keys = first_keys(self._calls, self._header.keys_to_check, self._header.shards)

        def questions(node: RedisNode) -> Sequence[Command]:
            # A replica, or a Redis that is full, answers everything but a write.
            written = writing and node in keys
            alive = [("SET", keys[node], b"")] if written else [("ECHO", "OK")]
            return [*alive, *QUESTIONS]

        states: dict[str, ServerState] = {}
        failures: dict[str, StoreUnavailable] = {}
        for node, answers in self._calls.each_node(questions):
            if isinstance(answers, StoreUnavailable):
                failures[node.name] = answers
                if node.name in self._states:
                    states[node.name] = self._states[node.name]
                continue
            try:
                state = states[node.name] = self._calls.judge(
                    answers[1:],
                    lambda rest, name=node.name: state_of(name, rest),  # type: ignore[misc]
                )
                node.replicas = state.replicas
                self._calls.read(answers[:1], lambda one: to_nothing(one[0]))
            except StoreUnavailable as error:
                failures[node.name] = error
        self._states = states
        self._away = {name: str(error) for name, error in failures.items()}
        if failures and len(failures) == len(self._calls.nodes):
            raise next(iter(failures.values()))
