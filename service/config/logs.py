"""Structured logs on stderr: readable on a terminal, one JSON object a line elsewhere.

No identifier, customer id or text of an unexpected error is ever logged.
"""

import logging
import sys
import traceback

import structlog

_log = structlog.get_logger(__name__)


def configure_logs(level: str, worker: int | None = None) -> None:
    """Send the logs of this process, those of libraries included, to stderr.

    `worker` is its number, which every line then tells.
    """
    terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if worker is not None:

        def tell_worker(
            logger: object, method: str, event: structlog.typing.EventDict
        ) -> structlog.typing.EventDict:
            return {**event, "worker": worker}

        shared.append(tell_worker)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if terminal else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("service").setLevel(level.upper())
    # It logs the text of exceptions; the guard has logged what may be told.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)


def log_fault(error: BaseException, reference: str, where: str) -> None:
    """Log an unexpected error by its type and its frames; its text may hold a caller's values."""
    frames = [
        f"{frame.filename}:{frame.lineno} {frame.name}: {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    _log.error("fault", ref=reference, where=where, error=type(error).__name__, frames=frames)
