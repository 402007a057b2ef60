"""The settings of a server: where they come from, what they mean, and what is refused.

An option of the command line wins over an environment variable `THROUGHLINE_<NAME>`, that over the
TOML file (`--config` or `THROUGHLINE_CONFIG`), that over the default. Lists and tables in the
environment are JSON. Every mistake stops the server before it starts, in one line that names the
setting.
"""

import ipaddress
import os
import re
import tomllib
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    AwareDatetime,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from models.errors import BadInput, ThroughlineError
from service.contract.names import Names, declare_names
from service.store.database.location import EMBEDDED
from service.store.database.redis_url import is_redis, parse_redis_url

PREFIX = "THROUGHLINE_"
CONFIG = f"{PREFIX}CONFIG"

# Of the client commands and of the tests; and what Kubernetes sets in every pod beside a service
# called throughline.
_NOT_OURS = tuple(
    f"{PREFIX}{name}" for name in ("SERVER", "CLIENT_", "REQUIRE_REDIS", "SERVICE_", "PORT")
)
_CLOCK_YEARS = range(1970, 2201)


class ConfigurationError(ThroughlineError):
    """A setting that the server cannot start with; the text starts with its name.

    It is one line, whatever a name or a path in it holds.
    """

    exit_code = os.EX_CONFIG

    def __init__(self, text: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text))


class Settings(BaseSettings):
    """All settings of `throughline serve`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    listen: str = Field("127.0.0.1:50051", description="Host and port to listen on.")
    insecure_bind: bool = Field(
        False, description="Permit an address other than loopback, without TLS."
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate to serve TLS with, its chain included."
    )
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key.")
    tls_client_ca: Path | None = Field(
        None, description="PEM file of the authorities whose clients alone may call."
    )
    workers: int = Field(1, ge=1, le=64, description="Processes that serve, one for each core.")
    metrics_listen: str | None = Field(
        None, description="Host and port to serve metrics on, for Prometheus; none: nowhere."
    )
    store: str = Field("sqlite:var/data", description="sqlite:DIRECTORY or redis://HOST:PORT/DB.")
    registry: Path = Field(Path("var/registry"), description="Directory of the releases.")
    key: SecretStr = Field(SecretStr(""), description="Key of the identifiers' hashes, in hex.")
    key_file: Path | None = Field(None, description="File that holds this key.")
    clock: AwareDatetime | None = Field(None, description="The time to start the clock at.")
    channels: tuple[str, ...] = Field((), description="Channels beside the built-in ones.")
    event_types: dict[str, str] = Field(
        {}, description="New event types, each with the built-in type it behaves like."
    )
    namespaces: tuple[str, ...] = Field((), description="Namespaces beside the built-in ones.")
    placements: tuple[str, ...] = Field((), description="The only placements; none: any name.")
    nobody_identifiers: tuple[str, ...] = Field(
        (), description="Values of identifiers beside the built-in ones that identify nobody."
    )
    redis_timeout: float = Field(
        0.25, gt=0, le=60, description="Seconds to wait for Redis before answering without it."
    )
    spill: Path = Field(
        Path("var/spill"),
        description="Directory where decision records wait while Redis is away.",
    )
    decide_threads: int = Field(4, ge=1, le=64, description="Threads that decide.")
    ingest_threads: int = Field(8, ge=1, le=64, description="Threads that store events.")
    bulk_threads: int = Field(1, ge=1, le=64, description="Threads that decide for batches.")
    lame_duck_seconds: float = Field(
        1,
        ge=0,
        le=60,
        description="How long a stop says NOT_SERVING and yet takes calls, for balancers to see.",
    )
    drain_seconds: float = Field(
        30, gt=0, le=600, description="How long calls in flight may take to end at a stop."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least serious messages to log."
    )

    @field_validator("*", mode="before")
    @classmethod
    def _plain(cls, value: object, info: ValidationInfo) -> object:
        """Refuse what would be taken for something else: yes for 1, a number for a time."""
        assert info.field_name is not None
        kind = cls.model_fields[info.field_name].annotation
        if isinstance(value, bool) and kind is not bool:
            raise ValueError("want no true or false")
        if isinstance(value, str) and (not value or "\0" in value) and kind is not SecretStr:
            raise ValueError("empty" if not value else "holds a NUL character")
        return value

    @field_validator("clock", mode="before")
    @classmethod
    def _moment(cls, clock: object) -> object:
        if not isinstance(clock, datetime | None):
            try:
                clock = datetime.fromisoformat(str(clock))
            except ValueError:
                raise ValueError("want a time such as 2017-12-01T12:00:00-05:00") from None
        if clock is not None and clock.year not in _CLOCK_YEARS:
            raise ValueError(f"want a year from {_CLOCK_YEARS[0]} to {_CLOCK_YEARS[-1]}")
        return clock

    @field_validator("metrics_listen")
    @classmethod
    def _none_or_host_and_port(cls, listen: str | None) -> str | None:
        return None if listen is None else cls._host_and_port(listen)

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, listen: str) -> str:
        host, colon, port = listen.rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit() and int(port) < 65_536):
            raise ValueError("want host:port")
        return listen

    @field_validator("store")
    @classmethod
    def _known_store(cls, store: str) -> str:
        if is_redis(store):
            parse_redis_url(store)
        elif not store.startswith(EMBEDDED):
            raise ValueError("want sqlite:DIRECTORY or redis://HOST:PORT/DB")
        if store == EMBEDDED:
            raise ValueError("want a directory after sqlite:")
        return store

    @property
    def names(self) -> Names:
        """Return the names that requests may use."""
        return declare_names(
            self.channels,
            self.event_types,
            self.namespaces,
            self.placements,
            self.nobody_identifiers,
        )

    @property
    def start_time(self) -> int | None:
        """Return the time to start the clock at, in microseconds; None: the real one."""
        return None if self.clock is None else round(self.clock.timestamp() * 1_000_000)

    @property
    def tls(self) -> bool:
        """Tell whether clients must come over TLS."""
        return self.tls_certificate is not None

    @property
    def loopback(self) -> bool:
        """Tell whether `listen` is reachable from this machine only."""
        return is_loopback(self.listen)


def read_settings(config: Path | None = None, **options: object) -> Settings:
    """Return the settings; `options` that are None were not given.

    Raises `ConfigurationError` naming the setting.
    """
    variables = {name.upper() for name in os.environ}
    _refuse_unknown(variables)
    config = config or (Path(os.environ[CONFIG]) if CONFIG in os.environ else None)
    file = {} if config is None else _toml(config)
    given = {name: value for name, value in file.items() if _variable(name) not in variables}
    given.update((name, value) for name, value in options.items() if value is not None)
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise ConfigurationError(_first(error)) from None
    except SettingsError as error:
        field = re.search(r'field "(\w+)"', str(error))
        raise ConfigurationError(f"{field[1] if field else 'settings'}: not JSON") from None
    except RecursionError:
        raise ConfigurationError("settings: JSON nested too deep") from None
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    if settings.tls_certificate is None:
        for name in ("tls_key", "tls_client_ca"):
            if getattr(settings, name) is not None:
                raise ConfigurationError(f"{name}: given without tls_certificate")
        if not settings.loopback and not settings.insecure_bind:
            raise ConfigurationError(
                "listen: not a loopback address, and there is no TLS; insecure_bind permits it"
            )
    elif settings.tls_key is None:
        raise ConfigurationError("tls_key: missing; tls_certificate needs it")
    if (
        settings.metrics_listen is not None
        and not is_loopback(settings.metrics_listen)
        and not settings.insecure_bind
    ):
        raise ConfigurationError(
            "metrics_listen: not a loopback address, and there is no TLS; insecure_bind permits it"
        )
    if settings.key.get_secret_value() and settings.key_file is not None:
        raise ConfigurationError("key: given as well as key_file")
    try:
        _ = settings.names
    except BadInput as error:
        raise ConfigurationError(str(error)) from None


def is_loopback(listen: str) -> bool:
    """Tell whether an address, host:port, is reachable from this machine only."""
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refuse_unknown(variables: Iterable[str]) -> None:
    known = {CONFIG, *map(_variable, Settings.model_fields)}
    for name in sorted(variables):
        if name.startswith(PREFIX) and name not in known and not name.startswith(_NOT_OURS):
            raise ConfigurationError(f"{name.removeprefix(PREFIX).lower()}: unknown setting")


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"config: {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigurationError(f"config: {path}: {error}") from None
    except RecursionError:
        raise ConfigurationError(f"config: {path}: nested too deep") from None


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown setting"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
