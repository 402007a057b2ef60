"""Wrong configurations, made from every setting there is: each stops the start by its name."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from service.config.settings import ConfigurationError, Settings, read_settings
from service.server.port import reserved_port
from service.server.preflight import check_settings
from tests.support.server_processes import run_command
from tests.support.waiting import Pool

pytestmark = pytest.mark.machine

FIELDS = Settings.model_fields
NUMBERS = [name for name, field in FIELDS.items() if field.annotation in (int, float)]
TEXTS = [name for name in FIELDS if name not in NUMBERS]

# Of no type that a setting has.
NEVER = ("[[1]]", "{ a = [1] }", "1979-05-27", '"\\u0000"')


class Wrong(NamedTuple):
    """A configuration with one mistake in it, and the setting that must be named."""

    setting: str
    toml: str = ""
    environment: Mapping[str, str] = {}
    options: Mapping[str, object] = {}


def made() -> Iterator[Wrong]:
    """Yield wrong configurations of every kind."""
    for name in FIELDS:
        for value in NEVER:
            if (name, value) != ("key", NEVER[3]):  # which is a key, and not one in hex
                yield Wrong(name, f"{name} = {value}")
        yield Wrong(f"{name}x", f"{name}x = 1")
        yield Wrong(f"{name}x", environment={f"{name}x": "1"})
        if name != "key":  # where empty means none
            yield Wrong(name, environment={name: ""})
    for name in NUMBERS:
        for value in ("-1", "1e300", "nan", "inf", "true", '"many"', "[]"):
            yield Wrong(name, f"{name} = {value}")
        yield Wrong(name, environment={name: "-1"})
        yield Wrong(name, environment={name: "0x10"})
    for name in TEXTS:
        yield Wrong(name, f"{name} = {'0.5' if name == 'insecure_bind' else 'true'}")
    for listen in ("x", ":1", "h:", "h:-1", "h:65536", "h:1x", "h:" + "1" * 5000, "unix:/tmp/s"):
        yield Wrong("listen", options={"listen": listen})
    for listen in ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "shop.example:1", " 127.0.0.1:1"):
        yield Wrong("listen", options={"listen": listen})
    for store in ("data", "sqlite", "sqlite:", "SQLITE:a", "http://h/0", "file:///etc"):
        yield Wrong("store", options={"store": store})
    for clock in ("now", "5", "20171201", "2017-12-01T00:00:00", "0001-01-01T00:00:00Z"):
        yield Wrong("clock", options={"clock": clock})
    yield Wrong("clock", "clock = 1512086400")
    yield Wrong("clock", "clock = 9999-12-31T23:59:59Z")
    for name in ("channels", "namespaces", "placements"):
        for value in ('["A"]', '["a b"]', '[""]', "[5]", f'["{"a" * 65}"]', '["é"]'):
            yield Wrong(name, f"{name} = {value}")
        yield Wrong(name, environment={name: '{"a": 1}'})
        yield Wrong(name, environment={name: "a,b"})
    for value in ('{ scan = "scan" }', '{ "S" = "view" }', '{ view = "click" }', "{ scan = 1 }"):
        yield Wrong("event_types", f"event_types = {value}")
    yield Wrong("key", 'key = "00"\nkey_file = "k"')
    yield Wrong("key_file", 'tls_certificate = "c"\ntls_key = "k"\nkey_file = ""')
    yield Wrong("tls_key", 'tls_certificate = "c"')
    yield Wrong("tls_key", 'tls_key = "k"')
    yield Wrong("tls_client_ca", 'tls_client_ca = "c"')
    yield Wrong("tls_client_ca", 'tls_client_ca = "c"\ninsecure_bind = true')
    yield Wrong("tls_key", environment={"tls_certificate": "c"}, options={"listen": "0.0.0.0:1"})
    for broken in (
        "= 1",
        "a",
        'a = "',
        "[a",
        "a = 1\na = 2",
        "\ufeffworkers = 1",
        "a = " + "[" * 5000,
    ):
        yield Wrong("config", broken)
    yield Wrong("config", "workers = " + "1" * 5000)
    yield Wrong("a\\nb", '"a\\nb" = 1')


CONFIGURATIONS = list(made())


def test_they_are_many() -> None:
    """At least a hundred configurations are tried, and every setting is among them."""
    assert len(CONFIGURATIONS) >= 100
    assert {wrong.setting for wrong in CONFIGURATIONS} >= set(FIELDS)


@pytest.mark.parametrize("wrong", CONFIGURATIONS, ids=lambda wrong: repr(wrong)[:90])
def test_the_setting_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: Wrong
) -> None:
    """Whatever is wrong, and wherever it was said, one line begins with the setting's name."""
    file = tmp_path / "settings.toml"
    file.write_text(wrong.toml, encoding="utf-8")
    for name, value in wrong.environment.items():
        monkeypatch.setenv(f"THROUGHLINE_{name.upper()}", value)
    with pytest.raises(ConfigurationError) as raised:
        read_settings(file, **wrong.options)
    text = str(raised.value)
    assert text.startswith((f"{wrong.setting}: ", f"{wrong.setting}."))
    assert text.isprintable()
    assert raised.value.exit_code == os.EX_CONFIG


@pytest.mark.parametrize(
    ("setting", "options"),
    [
        ("config", {"config": "absent.toml"}),
        ("config", {"config": "."}),
        ("config", {"config": "binary"}),
        ("key", {"key": "zz" * 32}),
        ("key_file", {"key_file": "absent"}),
        ("key_file", {"key_file": "."}),
        ("key_file", {"key_file": "binary"}),
        ("key_file", {"key_file": "empty"}),
        ("key_file", {"key_file": "loop"}),
        ("key_file", {"store": "redis://127.0.0.1:1/0"}),
        ("store", {"store": "sqlite:empty"}),
        ("store", {"store": "sqlite:empty/below"}),
        ("store", {"store": "sqlite:nowhere"}),
        ("registry", {"registry": "empty"}),
        ("spill", {"store": "redis://h/0", "key": "ab" * 32, "spill": "empty/below"}),
        ("tls_certificate", {"tls_certificate": "absent", "tls_key": "empty"}),
        ("tls_certificate", {"tls_certificate": "binary", "tls_key": "empty"}),
        ("tls_certificate", {"tls_certificate": "empty", "tls_key": "empty"}),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, options: dict[str, str]
) -> None:
    """A file or directory that is absent, of the wrong kind or unusable is told, and none made."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(bytes(range(256)))
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("absent")
    before = sorted(tmp_path.rglob("*"))
    config = Path(options["config"]) if "config" in options else None
    given = {name: value for name, value in options.items() if name != "config"}
    with pytest.raises(ConfigurationError) as raised:
        check_settings(read_settings(config, **given))
    assert str(raised.value).startswith(f"{setting}: ")
    assert str(raised.value).isprintable()
    assert sorted(tmp_path.rglob("*")) == before


def test_the_command_stops_with_78_and_makes_nothing(tmp_path: Path) -> None:
    """`throughline serve` tells each mistake in one line, exits with 78, and leaves no trace."""
    (tmp_path / "file").write_text("not what is wanted")
    registry = tmp_path / "registry"
    registry.mkdir()
    (registry / "pointer.json").write_text('{"in_force": 5}')
    (tmp_path / "settings.toml").write_text('lisen = "127.0.0.1:1"\n')
    before = sorted(tmp_path.rglob("*"))
    with reserved_port("127.0.0.1:0") as taken:
        busy = f"127.0.0.1:{taken}"
        cases: list[tuple[str, list[str], dict[str, str]]] = [
            ("lisen", ["--config", "settings.toml"], {}),
            ("workers", ["--workers", "two"], {}),
            ("workers", [], {"THROUGHLINE_WORKERS": "0"}),
            ("listen", ["--listen", "0.0.0.0:1"], {}),
            ("listen", ["--listen", busy], {}),
            ("listen", ["--listen", busy, "--workers", "2"], {}),
            ("listen", ["--listen", "no.such.host.invalid:1", "--insecure-bind"], {}),
            # Told before the port is looked at.
            ("key_file", ["--listen", busy, "--key-file", "absent"], {}),
            ("store", ["--store", "sqlite:file/below"], {}),
            ("tls_certificate", ["--tls-certificate", "file", "--tls-key", "file"], {}),
            # Told after it: another service may be at the usual one.
            ("registry", ["--listen", "127.0.0.1:0", "--registry", "registry"], {}),
            ("event_types", [], {"THROUGHLINE_EVENT_TYPES": json.dumps({"view": "view"})}),
        ]

        def run(case: tuple[str, list[str], dict[str, str]]) -> "subprocess.CompletedProcess[str]":
            return run_command(tmp_path, "serve", *case[1], environment=case[2])

        with Pool(2) as pool:
            for (setting, *_), done in zip(cases, pool.map(run, cases), strict=True):
                assert done.returncode == os.EX_CONFIG, done.stderr
                assert done.stderr.startswith(f"throughline: {setting}: ")
                assert done.stderr.count("\n") == 1
                assert done.stdout == ""
    assert sorted(tmp_path.rglob("*")) == before
