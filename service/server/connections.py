"""What a connection to the server may do: how much, how often, how long; and how many there are.

A connection costs memory and a file, whoever opened it and whatever it does. So none is for ever:
who needs one opens the next, and gRPC's clients do so by themselves.
"""

import resource

import structlog

from service.contract import limits

_log = structlog.get_logger(__name__)

ALONE = ("grpc.so_reuseport", 0)  # else a second server would take half the calls of the first
SHARING = ("grpc.so_reuseport", 1)  # of a parent that keeps other servers off the port

_SECOND, _MINUTE = 1_000, 60_000  # milliseconds
OPTIONS = (
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),  # what the client does not want it refuses itself
    ("grpc.max_metadata_size", limits.METADATA_SOFT_BYTES),
    ("grpc.absolute_max_metadata_size", limits.METADATA_HARD_BYTES),
    ("grpc.max_concurrent_streams", limits.STREAMS),
    # From the opening of a connection until it is one of HTTP/2.
    ("grpc.server_handshake_timeout_ms", 10 * _SECOND),
    ("grpc.max_connection_idle_ms", limits.IDLE_MINUTES * _MINUTE),
    ("grpc.max_connection_age_ms", limits.AGE_MINUTES * _MINUTE),
    ("grpc.max_connection_age_grace_ms", 2 * _MINUTE),  # longer than any call that answers offers
    # Of us to a client that has gone without a word; and of clients, who may not do it more often.
    ("grpc.keepalive_time_ms", _MINUTE),
    ("grpc.keepalive_timeout_ms", 20 * _SECOND),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", limits.PING_SECONDS * _SECOND),
    ("grpc.http2.max_ping_strikes", 2),
)
CONNECTIONS = 4_000  # of clients at once
OTHER_FILES = 256  # that the process has open beside them: the store, releases, the log


def raise_file_limit() -> None:
    """Let this process have as many files open as the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # as on a system where "unlimited" is too many
        _log.debug("the limit of open files stays", files=soft, reason=str(error))


def most_connections() -> tuple[str, int]:
    """Return the option that bounds the connections at once: what is beyond is closed at once."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = CONNECTIONS + OTHER_FILES if soft == resource.RLIM_INFINITY else soft
    return "grpc.max_allowed_incoming_connections", max(64, min(CONNECTIONS, files - OTHER_FILES))
