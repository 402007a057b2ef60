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
from pathlib import Path
from typing import Any, Literal

from pydantic import AwareDatetime, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from models.errors import BadInput, ThroughlineError
from service.names import Names, declare

PREFIX = "THROUGHLINE_"
CONFIG = f"{PREFIX}CONFIG"

# Of the client commands and of the tests; and what Kubernetes sets in every pod beside a service
# called throughline.
_NOT_OURS = tuple(f"{PREFIX}{name}" for name in ("SERVER", "REQUIRE_REDIS", "SERVICE_", "PORT"))


class ConfigurationError(ThroughlineError):
    """A setting that the server cannot start with; the text starts with its name."""

    exit_code = os.EX_CONFIG


class Settings(BaseSettings):
    """All settings of `throughline serve`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    listen: str = Field("127.0.0.1:50051", description="Host and port to listen on.")
    insecure_bind: bool = Field(
        False, description="Permit an address other than loopback, without TLS."
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
    max_concurrent_calls: int = Field(
        128, ge=1, le=10_000, description="Calls at once; more get RESOURCE_EXHAUSTED."
    )
    drain_seconds: float = Field(
        30, gt=0, le=600, description="How long calls in flight may take to end at a stop."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least serious messages to log."
    )

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
        if not store.startswith(("sqlite:", "redis://", "rediss://", "unix://")):
            raise ValueError("want sqlite:DIRECTORY or redis://HOST:PORT/DB")
        if store == "sqlite:":
            raise ValueError("want a directory after sqlite:")
        return store

    @property
    def names(self) -> Names:
        """Return the names that requests may use."""
        return declare(self.channels, self.event_types, self.namespaces, self.placements)

    @property
    def start_time(self) -> int | None:
        """Return the time to start the clock at, in microseconds; None: the real one."""
        return None if self.clock is None else round(self.clock.timestamp() * 1_000_000)

    @property
    def loopback(self) -> bool:
        """Tell whether `listen` is reachable from this machine only."""
        host = self.listen.rpartition(":")[0].strip("[]")
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


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
    _check_together(settings)
    return settings


def _check_together(settings: Settings) -> None:
    if not settings.loopback and not settings.insecure_bind:
        raise ConfigurationError(
            "listen: not a loopback address, and there is no TLS; insecure_bind permits it"
        )
    if settings.key.get_secret_value() and settings.key_file is not None:
        raise ConfigurationError("key: given as well as key_file")
    try:
        _ = settings.names
    except BadInput as error:
        raise ConfigurationError(str(error)) from None


def _refuse_unknown(variables: Iterable[str]) -> None:
    known = {CONFIG, *map(_variable, Settings.model_fields)}
    for name in sorted(variables):
        if name.startswith(PREFIX) and name not in known and not name.startswith(_NOT_OURS):
            raise ConfigurationError(f"{name.removeprefix(PREFIX).lower()}: unknown setting")


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise ConfigurationError(f"config: {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"config: {path}: {error}") from None


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_input=False)[0]
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"{name}: unknown setting"
    return f"{name}: {problem['msg'].removeprefix('Value error, ')}"
