"""Clients and channels with a connection each, and the retries that make a restart cost no call."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc

from service.client import Client
from tests.support.waiting import PATIENCE

# What a client needs so that a restart costs it no call.
RETRIES = {
    "name": [{}],
    "retryPolicy": {
        "maxAttempts": 5,
        "initialBackoff": "0.1s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        # What a call that arrives in the very moment of a stop can end as.
        "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
    },
}


@contextmanager
def clients(target: str, number: int, retries: bool = True) -> Iterator[list[Client]]:
    """Yield clients with a connection each: a shared one would always be of the same worker.

    `target` is one address, or several as gRPC writes them, to be taken in turn.
    """
    options: list[tuple[str, Any]] = [("grpc.use_local_subchannel_pool", 1)]
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
    if retries:
        config["methodConfig"] = [RETRIES]
    options += [("grpc.service_config", json.dumps(config))]
    with ExitStack() as opened:
        yield [
            Client(opened.enter_context(grpc.insecure_channel(target, options)), target, PATIENCE)
            for _ in range(number)
        ]


def channel_to(address: str) -> grpc.Channel:
    """Return a channel of its own connection, which tries again soon after a failure."""
    return grpc.insecure_channel(
        address,
        options=[
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 300),
        ],
    )
