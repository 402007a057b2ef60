"""Settings: where they come from, and that every mistake is told by its name before the start."""

import os
from pathlib import Path

import pytest

from service.config.settings import ConfigurationError, Settings, read_settings
from tests.support.server_processes import run_command


def test_defaults_are_for_a_laptop() -> None:
    """Without any setting the server is embedded and on loopback only."""
    settings = read_settings()
    assert settings.listen == "127.0.0.1:50051"
    assert settings.store == "sqlite:var/data"
    assert settings.loopback
    assert settings.start_time is None


def test_option_wins_over_environment_over_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the three places a setting may be given in, the nearest one counts."""
    file = tmp_path / "settings.toml"
    file.write_text('listen = "127.0.0.1:1"\nstore = "sqlite:a"\nchannels = ["watch"]\n')
    monkeypatch.setenv("THROUGHLINE_STORE", "sqlite:b")
    monkeypatch.setenv("THROUGHLINE_EVENT_TYPES", '{"scan": "view"}')
    settings = read_settings(file, listen="127.0.0.1:2")
    assert (settings.listen, settings.store) == ("127.0.0.1:2", "sqlite:b")
    assert "watch" in settings.names.channels
    assert settings.names.event_types["scan"].name == "view"


def test_file_may_be_named_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """THROUGHLINE_CONFIG names the file as --config does."""
    file = tmp_path / "settings.toml"
    file.write_text("decide_threads = 2\n")
    monkeypatch.setenv("THROUGHLINE_CONFIG", str(file))
    assert read_settings().decide_threads == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("listen = 5", "listen: "),
        ('listen = "nowhere"', "listen: want host:port"),
        ('listen = "127.0.0.1:99999"', "listen: want host:port"),
        ('listen = "0.0.0.0:50051"', "listen: not a loopback address"),
        ('metrics_listen = "9464"', "metrics_listen: want host:port"),
        ('metrics_listen = "0.0.0.0:9464"', "metrics_listen: not a loopback address"),
        ('store = "postgres://x"', "store: want sqlite:DIRECTORY or redis"),
        ('store = "sqlite:"', "store: want a directory"),
        ("decide_threads = 0", "decide_threads: "),
        ('clock = "2017-12-01T12:00:00"', "clock: "),
        ('clock = "yesterday"', "clock: "),
        ('channels = ["Not A Name"]', "channels: want names"),
        ('event_types = {scan = "nothing"}', "event_types: behaves like something"),
        ('event_types = {view = "view"}', "event_types: declares a built-in type"),
        ('log_level = "loud"', "log_level: "),
        ("redis_timeout = 0", "redis_timeout: "),
        ('key = "00"\nkey_file = "k"', "key: given as well as key_file"),
        ("lisen = 1", "lisen: unknown setting"),
        ("[table]\nkey = 1", "table: unknown setting"),
        ("= 5", "config: "),
    ],
)
def test_mistake_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    """A wrong value, an unknown key and a file that is not TOML are each told in one line."""
    file = tmp_path / "settings.toml"
    file.write_text(text + "\n")
    with pytest.raises(ConfigurationError) as raised:
        read_settings(file)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


def test_mistake_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is refused, and one whose list is no JSON is told by its name."""
    monkeypatch.setenv("THROUGHLINE_CHANNELS", "watch")
    with pytest.raises(ConfigurationError, match=r"^channels: not JSON$"):
        read_settings()
    monkeypatch.delenv("THROUGHLINE_CHANNELS")
    monkeypatch.setenv("THROUGHLINE_LISEN", "127.0.0.1:1")
    with pytest.raises(ConfigurationError, match=r"^lisen: unknown setting$"):
        read_settings()


def test_variables_of_kubernetes_are_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cluster sets for a service named throughline does not stop the server."""
    monkeypatch.setenv("THROUGHLINE_PORT", "tcp://10.0.0.1:50051")
    monkeypatch.setenv("THROUGHLINE_SERVICE_HOST", "10.0.0.1")
    assert read_settings().listen == "127.0.0.1:50051"


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A settings file that is not there is told with its path."""
    with pytest.raises(ConfigurationError, match="No such file"):
        read_settings(tmp_path / "none.toml")


def test_address_outside_needs_permission() -> None:
    """Anything but loopback is served only when that is said."""
    with pytest.raises(ConfigurationError, match="insecure_bind"):
        read_settings(listen="[::]:1")
    assert not read_settings(listen="0.0.0.0:1", insecure_bind=True).loopback
    with pytest.raises(ConfigurationError, match=r"^metrics_listen: .* insecure_bind permits it$"):
        read_settings(metrics_listen="[::]:9464")
    assert read_settings(metrics_listen="0.0.0.0:9464", insecure_bind=True).metrics_listen
    assert read_settings(metrics_listen="[::1]:9464").metrics_listen
    assert read_settings(listen="localhost:1").loopback
    assert read_settings(listen="[::1]:1").loopback


def test_key_is_never_shown() -> None:
    """The key does not appear where settings are printed, nor in what is wrong with others."""
    key = "ab" * 32
    assert key not in repr(read_settings(key=key))
    with pytest.raises(ConfigurationError) as raised:
        read_settings(key=key, listen="x")
    assert key not in str(raised.value)


def test_every_setting_is_described() -> None:
    """Each setting says what it means."""
    assert all(field.description for field in Settings.model_fields.values())


def test_command_stops_with_one_line_and_78(tmp_path: Path) -> None:
    """`throughline serve` with a wrong setting says which in one line and exits with 78."""
    done = run_command(tmp_path, "serve", "--listen", "0.0.0.0:1")
    assert done.returncode == os.EX_CONFIG
    assert done.stderr.startswith("throughline: listen: not a loopback address")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
