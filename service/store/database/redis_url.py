"""The URLs that name a Redis: one server, a cluster, or what Sentinel watches over.

No message quotes a URL, whose password may stand where a host or a number should.
"""

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("redis", "rediss", "unix")
CLUSTER, SENTINEL = "+cluster", "+sentinel"

_ONE = "redis://HOST:PORT/DB"
_PORT, _SENTINEL_PORT = 6379, 26379
_ESCAPE = "; in a password write %2F for /, %23 for #, %3F for ?, %40 for @"


class RedisUrl(NamedTuple):
    """Where a Redis is, and as whom to talk to it.

    `hosts` are the server, nodes of a cluster, or the sentinels: each a host and a port; none for a
    `path`, of a socket of this machine. `service` is what the sentinels call the primary. `options`
    are those of the client, by name.
    """

    hosts: tuple[tuple[str, int], ...]
    database: int
    tls: bool = False
    cluster: bool = False
    path: str | None = None
    service: str | None = None
    username: str | None = None
    password: str | None = None
    options: tuple[tuple[str, str], ...] = ()


def is_redis(url: str) -> bool:
    """Tell whether a URL is meant to name a Redis."""
    scheme, colon, _ = url.partition("://")
    plain = scheme.removesuffix(CLUSTER).removesuffix(SENTINEL)
    return bool(colon) and plain in SCHEMES and (plain == scheme or plain != "unix")


def parse_redis_url(url: str) -> RedisUrl:
    """Read a URL for which `is_redis`; raises `ValueError` that says what to write instead."""
    scheme, _, rest = url.partition("://")
    try:
        parts = urlsplit(f"//{rest}")
    except ValueError:
        raise ValueError(f"host: cannot be read{_ESCAPE}") from None
    user, _, hosts = parts.netloc.rpartition("@")
    if "@" in user or "@" in parts.path + parts.query or parts.fragment or "#" in rest:
        raise ValueError(f"user: cannot be told from the rest{_ESCAPE}")
    name, _, password = user.partition(":")
    options = dict(parse_qsl(parts.query))
    plain = scheme.removesuffix(CLUSTER).removesuffix(SENTINEL)
    found = RedisUrl(
        (),
        0,
        tls=plain == "rediss",
        cluster=scheme.endswith(CLUSTER),
        username=unquote(name) or None,
        password=unquote(password) or None,
    )
    path = unquote(parts.path)
    if plain == "unix":
        database = _database(options.pop("db", ""), "unix:///PATH?db=DB")
        return found._replace(path=path, database=database, options=tuple(options.items()))
    if "db" in options:
        raise ValueError(f"db: want the number of the database after the port: {_ONE}")
    found = found._replace(options=tuple(options.items()))
    if found.cluster:
        if path not in ("", "/", "/0"):
            raise ValueError("database: a cluster has the database 0 alone: end with /0")
        return found._replace(hosts=_hosts(hosts, _PORT))
    if scheme.endswith(SENTINEL):
        service, _, number = path.removeprefix("/").partition("/")
        want = f"{scheme}://HOST:PORT,HOST:PORT/SERVICE/DB"
        if not service:
            raise ValueError(f"service: want the name that the sentinels know: {want}")
        return found._replace(
            hosts=_hosts(hosts, _SENTINEL_PORT), service=service, database=_database(number, want)
        )
    want = f"{scheme}://HOST:PORT/DB"
    if "," in hosts:
        raise ValueError(f"host: want one, or {scheme}{CLUSTER}:// or {scheme}{SENTINEL}://")
    database = _database(path.removeprefix("/"), want)
    return found._replace(hosts=_hosts(hosts, _PORT), database=database)


def _database(text: str, want: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise ValueError(f"database: want its number, as in {want}, which is mostly 0{_ESCAPE}")
    return int(text)


def _hosts(text: str, port: int) -> tuple[tuple[str, int], ...]:
    return tuple(_host(one, port) for one in text.split(","))


def _host(text: str, default: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(f"port: want a number below 65536{_ESCAPE}") from None
    if not host:
        raise ValueError(f"host: want one, as in {_ONE}{_ESCAPE}")
    return unquote(host), default if port is None else port
