"""The address that the demo's service listens on."""

from models.errors import BadInput
from service.config.settings import ConfigurationError
from service.server.port import reserved_port

USUAL_PORT = 50051
HOST = "127.0.0.1"


def must_be_free(port: int) -> None:
    """Raise `BadInput` when the service could not listen on `port`; 0, for any free one, passes."""
    if port and not _is_free(port):
        reason = f"{port} is taken, or not yours to take; 0 finds one that is free"
        raise BadInput("--port", reason)


def listen_on(port: int | None) -> str:
    """Return the address to listen on; without a port the usual one, or any when that is taken."""
    if port is None:
        port = USUAL_PORT if _is_free(USUAL_PORT) else 0
    return f"{HOST}:{port}"


def _is_free(port: int) -> bool:
    try:
        with reserved_port(f"{HOST}:{port}"):
            return True
    except ConfigurationError:
        return False
