"""The port of several workers: one server has it, and its workers share it."""

import socket
import threading
from contextlib import ExitStack, closing

import grpc
import pytest

from service.config.settings import ConfigurationError
from service.server.port import reserved_port
from tests.support.waiting import PATIENCE, Pool


def listener(port: int, shared: bool) -> socket.socket:
    """Listen on the port as gRPC does, alone or sharing it."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    try:
        opened.bind(("127.0.0.1", port))
        opened.listen()
    except OSError:
        opened.close()
        raise
    return opened


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::]"])
def test_workers_share_what_a_parent_holds(host: str) -> None:
    """A held port is free to those that share it, and to no other server or parent."""
    with reserved_port(f"{host}:0") as port:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 1)  # the parent does not listen
        for _ in range(2):  # before and after somebody listens
            with (
                pytest.raises(ConfigurationError, match="listen: cannot bind"),
                reserved_port(f"{host}:{port}"),
            ):
                pass
            with pytest.raises(OSError, match="in use"):
                listener(port, shared=False)
            alone = grpc.server(None, options=[("grpc.so_reuseport", 0)])  # type: ignore[arg-type]
            with pytest.raises(RuntimeError):
                alone.add_insecure_port(f"{host}:{port}")
            with closing(listener(port, shared=True)), closing(listener(port, shared=True)):
                socket.create_connection(("127.0.0.1", port), 1).close()
    with reserved_port(f"{host}:{port}"):
        pass  # given back


def test_a_port_that_is_served_is_not_taken() -> None:
    """Whoever listens already, sharing or not, keeps the port."""
    for shared in (False, True):
        with closing(listener(0, shared)) as opened:
            port = opened.getsockname()[1]
            with pytest.raises(ConfigurationError), reserved_port(f"127.0.0.1:{port}"):
                pass


def test_of_two_parents_at_once_one_has_the_port() -> None:
    """However close two servers start, exactly one of them gets the port."""
    with reserved_port("127.0.0.1:0") as port:
        pass
    for _ in range(200):
        both = threading.Barrier(2)
        with Pool(2) as pool:
            assert sorted(pool.map(takes, (port, port), (both, both))) == [False, True]


def takes(port: int, both: threading.Barrier) -> bool:
    """Try to hold the port at the same time as another; tell whether it came about."""
    both.wait(PATIENCE)
    with ExitStack() as held:
        try:
            held.enter_context(reserved_port(f"127.0.0.1:{port}"))
        except ConfigurationError:
            return False
        finally:
            both.wait(PATIENCE)
    return True


def test_a_restart_does_not_wait_for_old_connections() -> None:
    """Connections that outlive their server do not keep its port from the next one."""
    with reserved_port("127.0.0.1:0") as port, closing(listener(port, shared=True)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
    with reserved_port(f"127.0.0.1:{port}"), closing(client):
        accepted.close()
    with reserved_port(f"127.0.0.1:{port}"):
        pass


@pytest.mark.parametrize("listen", ["no.such.host.invalid:0", "192.0.2.1:0"])
def test_an_address_that_is_not_ours_is_refused(listen: str) -> None:
    """A host that is not found, or not of this machine, is told as the setting it is."""
    with pytest.raises(ConfigurationError, match="listen: cannot bind"), reserved_port(listen):
        pass
