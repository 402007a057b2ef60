"""Ports for what tests start, stop and start again."""

import random
import socket
from contextlib import suppress


def free_port() -> int:
    """Return a port of loopback that nobody has, nor will be given by the system.

    What is down for a while would lose a port from the system's own range (32768 and up
    by default) to the next connection of another test.
    """
    chance = random.SystemRandom()
    while True:
        port = chance.randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
