"""The key of identifiers: given, read, made once, and never guessed."""

import stat
from pathlib import Path

import pytest

from service.config.keys import load_key as key_of
from service.config.settings import ConfigurationError, read_settings

HEX = "0f" * 32


def load_key(store: str, key_file: Path | None = None, key: str = "") -> bytes:
    """Return the key that these settings give."""
    return key_of(read_settings(store=store, key_file=key_file, key=key or None))


def test_embedded_store_makes_its_key_once(tmp_path: Path) -> None:
    """An embedded store without a key gets one that only its owner can read, and keeps it."""
    made = load_key(f"sqlite:{tmp_path}/store")
    assert len(made) == 32
    assert load_key(f"sqlite:{tmp_path}/store") == made
    assert load_key(f"sqlite:{tmp_path}/other") != made
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["identifier.key"]
    assert stat.S_IMODE((tmp_path / "store" / "identifier.key").stat().st_mode) == 0o600


def test_shared_store_needs_a_key() -> None:
    """A Redis store without a key is refused with the name of the setting."""
    with pytest.raises(ConfigurationError, match=r"^key_file: missing"):
        load_key("redis://localhost:6379/0")


def test_key_that_was_lost_is_not_replaced(tmp_path: Path) -> None:
    """Beside a database whose key is gone no new key is made."""
    (tmp_path / "throughline.db").touch()
    with pytest.raises(ConfigurationError, match=r"identifier\.key not found"):
        load_key(f"sqlite:{tmp_path}")
    assert not (tmp_path / "identifier.key").exists()


def test_key_is_given_as_text_or_in_a_file(tmp_path: Path) -> None:
    """The key is given in hex, or as the name of a file that holds it."""
    file = tmp_path / "key"
    file.write_text("ab" * 32 + "\n")
    assert load_key("redis://h/0", None, HEX) == bytes.fromhex(HEX)
    assert load_key("redis://h/0", file) == bytes.fromhex("ab" * 32)


@pytest.mark.parametrize("text", ["0f" * 31, "not hex"])
def test_unusable_key_file_is_refused(tmp_path: Path, text: str) -> None:
    """A key file that is short or no hex is refused, and never printed."""
    file = tmp_path / "key"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match="want at least 64 hex digits") as caught:
        load_key("redis://h/0", file)
    assert text not in str(caught.value)


def test_missing_key_file_is_named(tmp_path: Path) -> None:
    """A key file that is not there is named."""
    with pytest.raises(ConfigurationError, match=r"key_file: .*absent: No such file"):
        load_key("sqlite:x", tmp_path / "absent")
