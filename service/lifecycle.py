"""The life of a server: open, load, serve, follow, drain, close.

The one place that chooses the concrete parts; everything else is given them.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import faiss
import structlog

from models.errors import WrongKey
from models.identifiers import key_fingerprint
from models.registry import Registry
from service.clock import Clock
from service.keys import load_key
from service.parts import Parts
from service.polling import Poller
from service.server import Server
from service.serving import Runtime
from service.settings import ConfigurationError, Settings
from service.store import Store, lock_directory, open_store

_log = structlog.get_logger(__name__)

EMBEDDED = "sqlite:"
FOLLOW_SECONDS = 0.2  # how late a change by another process may be noticed
HEALTH_SECONDS = 1.0


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return."""
    asked_to_stop = threading.Event()
    _stop_on_signals(asked_to_stop)
    with serving(settings) as server:
        release = server.parts.runtime.release or None
        _log.info("ready", listen=settings.listen, port=server.port, release=release)
        asked_to_stop.wait()
        _log.info("draining", seconds=settings.drain_seconds)
    _log.info("stopped")


@contextmanager
def serving(settings: Settings) -> Iterator[Server]:
    """Yield a server that answers; on leaving it is drained and everything is closed."""
    faiss.omp_set_num_threads(1)
    _warn_of(settings)
    with ExitStack() as closing:
        key = load_key(settings)
        clock = Clock(settings.start_time)
        store = _open_store(settings, key, clock, closing)
        runtime = Runtime(store, Registry(settings.registry), clock)
        parts = Parts(runtime, store, settings.names, clock, key)
        server = Server(settings, parts)
        server.bind()
        closing.callback(server.stop, settings.drain_seconds)
        runtime.refresh_catalogue()
        runtime.start()
        server.update_health()
        server.start()
        for poller in (
            Poller("catalogue", FOLLOW_SECONDS, runtime.follow_catalogue),
            Poller("registry", FOLLOW_SECONDS, runtime.follow_registry),
            Poller("health", HEALTH_SECONDS, server.update_health),
        ):
            poller.start()
            closing.callback(poller.stop)
        yield server


def _open_store(settings: Settings, key: bytes, clock: Clock, closing: ExitStack) -> Store:
    embedded = settings.store.startswith(EMBEDDED)
    if embedded:
        closing.enter_context(lock_directory(Path(settings.store.removeprefix(EMBEDDED))))
    try:
        store = open_store(
            settings.store,
            key_fingerprint=key_fingerprint(key),
            event_types=settings.names.event_types,
            clock=clock.now,
            timeout=settings.redis_timeout,
            spill=None if embedded else settings.spill,
        )
    except WrongKey as error:
        raise ConfigurationError(str(error)) from None
    closing.callback(_close, store)
    return store


def _close(store: Store) -> None:
    store.close()
    if store.dropped_records:
        _log.warning("decision records were dropped", count=store.dropped_records)


def _warn_of(settings: Settings) -> None:
    if not settings.loopback:
        _log.warning("reachable from outside without TLS", listen=settings.listen)
    if settings.clock is not None:
        _log.warning("the clock is set", start=settings.clock.isoformat())


def _stop_on_signals(asked_to_stop: threading.Event) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        asked_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
