"""The life of one process that serves: bind, open, load, serve, follow, drain, close.

The one place that makes the concrete objects; everything else is given them.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import faiss
import structlog

from models.codec import FORMAT
from models.errors import BadRelease, WrongKey
from models.release.registry import Registry
from service.config.clock import Clock
from service.config.keys import load_key
from service.config.settings import ConfigurationError, Settings
from service.contract.errors import NoRelease
from service.decisions.active_release import ActiveRelease
from service.decisions.collector import loading
from service.decisions.shared_index import ALONE, SharedIndexes
from service.decisions.volume_leases import VolumeLeases
from service.metrics.export import serve_metrics
from service.metrics.server_metrics import Metrics
from service.rpc.dependencies import Dependencies
from service.server.connections import raise_file_limit
from service.server.heartbeat import BEAT_SECONDS, Heartbeat
from service.server.metrics_watch import MetricsWatch
from service.server.parent import NOBODY, Parent
from service.server.polling import Poller
from service.server.preflight import log_warnings, sole_server
from service.server.process_signals import ProcessSignals
from service.server.server import Server
from service.server.shared_by_workers import SharedByWorkers
from service.server.tls import CertificateFiles
from service.store.database.format import MIGRATE, UnknownStoreFormat
from service.store.database.location import directory_of
from service.store.identity.known_store import KnownStoreFile
from service.store.opening import open_store
from service.store.store import Store

_log = structlog.get_logger(__name__)

FOLLOW_SECONDS = 0.2  # how late a change by another process may be noticed
HEALTH_SECONDS = 1.0
OVERDUE_SECONDS = 1.0  # how late a call that has been open for too long may be ended
CERTIFICATE_SECONDS = 1.0
STUCK_SECONDS = 60.0  # beyond the drain: whoever has not ended by then never will
# For how long a thread that computes keeps the others from the interpreter: by Python's default of
# 5 ms a decision, which asks for it several times, would wait several times as long as it takes.
SWITCH_SECONDS = 0.0005
METRICS_SECONDS = 1.0  # how late a parent may see what a worker has counted


def run(
    settings: Settings,
    signals: ProcessSignals,
    shared: SharedByWorkers | None = None,
    parent: Parent = NOBODY,
) -> None:
    """Serve until a signal, then drain and return.

    A process of its own locks what it uses; one with `shared` has a parent that did, and is told
    of its life. A second signal shortens the lame duck's wait.
    """
    with running_server(settings, shared, parent) as server:
        release = server.dependencies.active_release.release_id or None
        _log.info(
            "ready" if shared is None else "worker ready",
            listen=settings.listen,
            port=server.port,
            release=release,
        )
        parent.ready(release is not None)
        signals.wait()
        parent.leaving()
        _log.info("leaving", seconds=settings.lame_duck_seconds)
        server.leave()
        signals.wait(settings.lame_duck_seconds)
        _log.info("draining", seconds=settings.drain_seconds)
        _end_within(settings.drain_seconds + STUCK_SECONDS)
    _log.info("stopped")


@contextmanager
def running_server(
    settings: Settings,
    shared: SharedByWorkers | None = None,
    parent: Parent = NOBODY,
) -> Iterator[Server]:
    """Yield a server that answers; on leaving it is drained and everything is closed."""
    faiss.omp_set_num_threads(1)
    sys.setswitchinterval(SWITCH_SECONDS)
    raise_file_limit()
    with ExitStack() as closing:
        registry = _open_registry(settings)
        certificates = CertificateFiles(settings) if settings.tls else None
        metrics = Metrics(settings.names.channels)
        closing.callback(metrics.refresh)  # the last of all: what is counted at the end counts
        if shared is None and settings.metrics_listen is not None:
            closing.enter_context(serve_metrics(settings.metrics_listen, metrics.collect))
        port = None if shared is None else shared.port
        server = Server(settings, metrics.calls, certificates, port)
        if shared is None:
            server.bind()
            closing.callback(server.stop, 0.0)  # gives the port back when what follows fails
            closing.enter_context(sole_server(settings))
            log_warnings(settings)
            clock = Clock(settings.start_time)
        else:
            clock = Clock.shifted(shared.clock_offset)
        key = load_key(settings)
        store = _open_store(settings, key, clock, closing)
        volumes = VolumeLeases(store)
        closing.callback(volumes.close)
        closing.callback(server.stop, settings.drain_seconds)
        indexes = ALONE if shared is None else SharedIndexes(Path(shared.directory))
        active_release = ActiveRelease(store, registry, clock, indexes)
        metrics.on_refresh(MetricsWatch(metrics.exported, store, active_release).observe)
        with loading():
            active_release.refresh_catalogue()
            active_release.load_in_force()
        if shared is not None:
            if (
                shared.others_decide
                and registry.pointer().release
                and not active_release.release_id
            ):
                raise NoRelease("release: none can be loaded, and other workers have one")
            server.bind()  # not sooner: from now on it gets its share of the connections
        dependencies = Dependencies(
            active_release, store, settings.names, clock, key, metrics, volumes
        )
        beating = []
        if parent.watches:
            heartbeat = closing.enter_context(Heartbeat(server, parent.alive))
            beating = [Poller("heartbeat", BEAT_SECONDS, heartbeat.beat)]
        server.start(dependencies)
        pollers = [
            *beating,
            Poller("overdue", OVERDUE_SECONDS, server.end_overdue),
            Poller("catalogue", FOLLOW_SECONDS, active_release.follow_catalogue),
            Poller("policy", FOLLOW_SECONDS, active_release.follow_policy),
            Poller("release", FOLLOW_SECONDS, active_release.follow_release),
            Poller("health", HEALTH_SECONDS, server.update_health),
        ]
        if certificates is not None:
            pollers.append(Poller("certificates", CERTIFICATE_SECONDS, certificates.follow))
        if shared is not None:
            pollers.append(Poller("metrics", METRICS_SECONDS, metrics.refresh))
        for poller in pollers:
            poller.start()
            closing.callback(poller.stop)
        yield server


def _end_within(seconds: float) -> None:
    """End this process by then, whatever a call or a library still waits for."""

    def end() -> None:
        time.sleep(seconds)
        _log.error("stuck; ended")
        os._exit(os.EX_SOFTWARE)

    threading.Thread(target=end, name="end", daemon=True).start()


def _open_registry(settings: Settings) -> Registry:
    registry = Registry(settings.registry)
    try:
        registry.pointer()
    except BadRelease as error:
        raise ConfigurationError(f"registry: {settings.registry}: {error}") from None
    return registry


def _open_store(settings: Settings, key: bytes, clock: Clock, closing: ExitStack) -> Store:
    try:
        store = open_store(
            settings.store,
            key=key,
            event_types=settings.names.event_types,
            clock=clock.now,
            timeout=settings.redis_timeout,
            spill=settings.spill if directory_of(settings.store) is None else None,
            known=KnownStoreFile(settings.registry),
        )
    except (WrongKey, UnknownStoreFormat) as error:
        raise ConfigurationError(str(error)) from None
    closing.callback(_close, store)
    for remark in store.remarks:
        _log.warning("the store's database", remark=remark)
    if store.format != FORMAT:
        _log.warning(
            "the store is of the format before; it is served, and to be migrated",
            format=store.format,
            current=FORMAT,
            command=MIGRATE,
        )
    return store


def _close(store: Store) -> None:
    store.close()
    if store.dropped_records:
        _log.warning("decision records were dropped", count=store.dropped_records)
