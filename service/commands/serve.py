"""The command `throughline serve`: reads the settings and runs the server."""

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from service.config.environment import WORKER_METRICS_DIRECTORY, pin_threads


def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="TOML file of settings; options and THROUGHLINE_* variables win over it.",
        ),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", help="Host and port. Default: 127.0.0.1:50051.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            "--store", help="sqlite:DIRECTORY or redis://HOST:PORT/DB. Default: sqlite:var/data."
        ),
    ] = None,
    registry: Annotated[
        Path | None,
        typer.Option("--registry", help="Directory of the releases. Default: var/registry."),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            "--key-file",
            help="File with the key of the identifiers' hashes, in hex. Default: one that the "
            "embedded store makes in its directory; Redis needs it.",
        ),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            "--clock",
            help="Start the clock at this time, such as 2017-12-01T12:00:00-05:00, and let it run: "
            "for data of the past. Every answer says so.",
        ),
    ] = None,
    workers: Annotated[
        str | None,
        typer.Option("--workers", metavar="N", help="Processes that serve. Default: 1."),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option("--tls-certificate", help="Serve TLS with the certificate of this PEM file."),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option("--tls-key", help="PEM file with the private key of the certificate."),
    ] = None,
    tls_client_ca: Annotated[
        Path | None,
        typer.Option(
            "--tls-client-ca",
            help="Let only clients call whose certificate an authority of this PEM file signed.",
        ),
    ] = None,
    insecure_bind: Annotated[
        bool,
        typer.Option("--insecure-bind", help="Permit an address other than loopback, without TLS."),
    ] = False,
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            "--metrics-listen", help="Host and port of metrics for Prometheus. Default: none."
        ),
    ] = None,
    log_level: Annotated[
        str | None,
        typer.Option("--log-level", help="debug, info, warning or error. Default: info."),
    ] = None,
) -> None:
    """Serve offers over gRPC, and take events, until SIGTERM or Ctrl-C.

    The registry's release in force decides. A change of it, of the catalogue or of certificates is
    taken over while serving. A stop lets the calls in flight end. With several workers SIGHUP reads
    the settings again and replaces one worker after another; a lone process ends with it.
    """
    from service.config.logs import configure_logs
    from service.config.settings import Settings, read_settings

    def read() -> Settings:
        return read_settings(
            config,
            listen=listen,
            store=store,
            registry=registry,
            key_file=key_file,
            clock=clock,
            workers=workers,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            tls_client_ca=tls_client_ca,
            insecure_bind=insecure_bind or None,
            metrics_listen=metrics_listen,
            log_level=log_level,
        )

    settings = read()
    pin_threads()
    configure_logs(settings.log_level)
    if settings.workers > 1:
        from service.workers.supervisor import supervise

        supervise(settings, read)
    else:
        from service.server.port import reserved_port
        from service.server.preflight import check_settings

        check_settings(settings)
        with reserved_port(settings.listen):
            pass  # gRPC would tell in many lines, not one, that somebody has it

        # Of another program's making: the figures of a lone process are its own.
        os.environ.pop(WORKER_METRICS_DIRECTORY, None)
        from service.server.process_signals import ProcessSignals

        # Before the long imports: the first process of a container hears no signal by default.
        signals = ProcessSignals(signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        # Only now: numpy and FAISS read their number of threads when they are imported.
        from service.server.lifecycle import run

        run(settings, signals)
