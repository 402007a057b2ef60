"""Whether a call goes through a proxy: by the environment, as gRPC reads it, and never to loopback.

gRPC takes the first of `PROXIES` that is set, unless the host is named in the first of `EXCEPT`
that is.
"""

import ipaddress
import os
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")
EXCEPT = ("no_grpc_proxy", "no_proxy")
DEFAULT_PORT = 443  # of gRPC, where a target names none


class Address(NamedTuple):
    """A host and its port."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Tell whether it is this very machine, by the look of it."""
        if self.host == "localhost" or self.host.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def address_of(server: str) -> Address | None:
    """Return the host and port of a target of gRPC; None for one that is no such pair."""
    target = server.removeprefix("dns:").rpartition("/")[2] if "/" in server else server
    if server.startswith(("unix:", "unix-abstract:", "vsock:")):
        return None
    try:
        parts = urlsplit(f"//{target.removeprefix('dns:')}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    return Address(host, DEFAULT_PORT if port is None else port) if host else None


def proxy_variable(address: Address | None, environment: Mapping[str, str] = os.environ) -> str:
    """Return the variable that names the proxy of calls to an address; "" without one."""
    if address is None or address.is_loopback:
        return ""
    named = next((name for name in PROXIES if environment.get(name)), "")
    spared = next((environment[name] for name in EXCEPT if environment.get(name)), "")
    hosts = [host.strip() for host in spared.split(",") if host.strip()]
    return "" if any(address.host.endswith(host) for host in hosts) else named
