"""The port of a server with several workers: proven to be nobody's, then kept for them.

Sockets with SO_REUSEPORT share a port, and with it the connections, without a word: right for the
workers of one server, wrong for two servers. So the parent of the workers takes the port for itself
first, and shares it only then.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from service.config.settings import ConfigurationError

_ABSENT = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # such as ::1 on a machine without IPv6


@contextmanager
def reserved_port(listen: str) -> Iterator[int]:
    """Yield the port of `listen` ("host:port"; port 0: any free one), held while the block runs.

    Only this process, and others of its user that set SO_REUSEPORT, can then bind to it; nobody
    connects to it until one of them listens. Raises `ConfigurationError` when somebody has it.
    """
    host, _, text = listen.rpartition(":")
    port = int(text)
    with ExitStack() as held:
        try:
            for family, address in _addresses(host.strip("[]")):
                with ExitStack() as opening:
                    taken = opening.enter_context(socket.socket(family, socket.SOCK_STREAM))
                    try:
                        _take(taken, address, port)
                    except OSError as error:
                        if error.errno in _ABSENT:
                            continue
                        raise
                    held.push(opening.pop_all())
                    port = taken.getsockname()[1]
        except OSError:
            port = 0
        if port == 0:
            raise ConfigurationError(f"listen: cannot bind to {listen}") from None
        yield port


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Return the addresses that gRPC listens on for a host; of a wildcard it makes [::]."""
    if host in {"0.0.0.0", "::"} and socket.has_dualstack_ipv6():  # noqa: S104
        return [(socket.AF_INET6, "::")]
    if host == "localhost":  # both, whatever the machine's list of hosts says
        return [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(address[0])) for family, *_, address in found))


def _take(taken: socket.socket, address: str, port: int) -> None:
    """Bind alone, then let others of this user bind as well, without ever listening.

    Of two sockets that are bound with SO_REUSEADDR only one can begin to listen: that decides
    between two servers that start at once. (Bound without it, the connections that a former server
    closed would keep the port for a minute.) Listening ends again at once; the port stays bound.
    """
    if taken.family is socket.AF_INET6:
        taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
    if port:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((address, port))
        taken.listen(1)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.shutdown(socket.SHUT_RD)
    else:
        taken.bind((address, 0))  # the kernel gives one that nobody has
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
