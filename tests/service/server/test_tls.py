"""TLS from files: who gets in, what is refused, and certificates replaced while serving."""

import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from structlog.testing import capture_logs

from service import cli
from service.client import Client, Tls
from service.config.settings import ConfigurationError, read_settings
from service.server.preflight import check_settings, log_warnings
from tests.support.certificates import Files, authority, client, self_signed, server_files
from tests.support.in_process import Running, recommend_request, running
from tests.support.waiting import PATIENCE, eventually, joined

pytestmark = pytest.mark.machine

CA, OTHER = trustme.CA(), trustme.CA()


def tls_settings(files: Files) -> dict[str, Any]:
    """Return the settings that name the files."""
    return {"tls_certificate": files.certificate, "tls_key": files.key}


def ask(live: Running, tls: Tls) -> str:
    """Ask over a connection of its own and return the release that answered."""
    with tls.channel(f"127.0.0.1:{live.server.port}") as channel:
        stub = Client(channel, "the test's server", 10).recommendations
        return stub.Recommend(recommend_request("L1"), timeout=PATIENCE).moment.release


def refused(live: Running, tls: Tls) -> bool:
    """Tell whether no connection comes about."""
    with pytest.raises(grpc.RpcError) as raised:
        ask(live, tls)
    return bool(raised.value.code() is grpc.StatusCode.UNAVAILABLE)


def get_in(live: Running, tls: Tls) -> bool:
    """Tell whether a connection comes about."""
    try:
        return bool(ask(live, tls))
    except grpc.RpcError:
        return False


def served_certificate(live: Running) -> bytes:
    """Return the certificate that a new connection is shown."""
    shown = ssl.get_server_certificate(("127.0.0.1", live.server.port))
    return ssl.PEM_cert_to_DER_cert(shown)


def held_certificate(files: Files) -> bytes:
    """Return the certificate in the file."""
    return ssl.PEM_cert_to_DER_cert(files.certificate.read_text())


@pytest.fixture(scope="module")
def open_to_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with a certificate, for any client."""
    directory = tmp_path_factory.mktemp("open")
    options = tls_settings(server_files(directory, CA))
    with running(directory, tls=client(CA), **options) as live:
        yield live


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server for clients of one authority only, whose log does not mix with what is printed."""
    directory = tmp_path_factory.mktemp("mutual")
    options = tls_settings(server_files(directory, CA))
    options["tls_client_ca"] = authority(directory, CA)
    with capture_logs(), running(directory, tls=client(CA, CA), **options) as live:
        yield live


def test_only_tls_gets_in(open_to_all: Running) -> None:
    """With a certificate, a client that trusts its authority is answered; others never connect."""
    assert open_to_all.recommend("L1").offers
    assert refused(open_to_all, Tls())
    assert refused(open_to_all, client(OTHER))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_protocols_are_refused(open_to_all: Running) -> None:
    """TLS 1.2 and 1.3 are spoken, TLS 1.1 is not."""

    def speak(version: ssl.TLSVersion) -> str | None:
        context = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would refuse already
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2"])
        raw = socket.create_connection(("127.0.0.1", open_to_all.server.port), 5)
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as spoken:
            return spoken.version()

    assert speak(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert speak(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match=r"EOF|ALERT"):
        speak(ssl.TLSVersion.TLSv1_1)


def test_client_certificates_are_asked_for(mutual: Running) -> None:
    """With `tls_client_ca` only clients of that authority get in: none, expired, foreign do not."""
    assert mutual.recommend("L1").offers
    assert refused(mutual, client(CA))
    assert refused(mutual, client(CA, CA, expired=True))
    assert refused(mutual, client(CA, OTHER))
    assert refused(mutual, self_signed(CA))
    assert ask(mutual, client(CA, CA))


def test_certificates_are_replaced_under_calls(tmp_path: Path) -> None:
    """New files are served within seconds, and no call fails, be its connection old or new."""
    files = server_files(tmp_path, CA)
    both = Tls(CA.cert_pem.bytes() + OTHER.cert_pem.bytes())
    with running(tmp_path, tls=both, **tls_settings(files)) as live:
        asked: list[str] = []
        failed: list[grpc.RpcError] = []
        stop = threading.Event()

        def keep_asking(once: Callable[[], str]) -> None:
            while not stop.is_set():
                try:
                    asked.append(once())
                except grpc.RpcError as error:
                    failed.append(error)

        on_new = threading.Thread(target=keep_asking, args=(lambda: ask(live, both),), daemon=True)
        on_old = threading.Thread(
            target=keep_asking, args=(lambda: live.recommend("L1").moment.release,), daemon=True
        )
        on_new.start()
        on_old.start()
        try:
            for issuer in (OTHER, CA):
                before = served_certificate(live)
                server_files(tmp_path, issuer)
                assert eventually(lambda: served_certificate(live) == held_certificate(files))
                assert served_certificate(live) != before
        finally:
            stop.set()
            joined(on_new, on_old)
        assert failed == []
        assert len(asked) > 20


def test_broken_new_files_keep_the_old_pair(tmp_path: Path) -> None:
    """While the files hold no pair the former one is served, which is logged once; then the new."""
    files = server_files(tmp_path, CA)
    with capture_logs() as logs, running(tmp_path, tls=client(CA), **tls_settings(files)) as live:
        old = served_certificate(live)
        (tmp_path / "new").mkdir()
        new = server_files(tmp_path / "new", CA)
        files.certificate.write_bytes(new.certificate.read_bytes())  # and not yet the key
        failing = {"what": "certificates", "event": "failing", "log_level": "warning"}
        reason = f"tls_key: {files.key}: not the key of tls_certificate"
        assert eventually(lambda: {**failing, "reason": reason} in logs)
        time.sleep(1.5)
        assert logs.count({**failing, "reason": reason}) == 1
        assert served_certificate(live) == old
        assert ask(live, client(CA))
        files.key.write_bytes(new.key.read_bytes())
        assert eventually(lambda: served_certificate(live) == held_certificate(new))


def test_authority_of_clients_is_replaced_too(tmp_path: Path) -> None:
    """Clients of a new authority get in after its file is replaced, those of the old no more."""
    options = tls_settings(server_files(tmp_path, CA))
    options["tls_client_ca"] = authority(tmp_path, CA)
    with running(tmp_path, tls=client(CA, CA), **options) as live:
        assert refused(live, client(CA, OTHER))
        authority(tmp_path, OTHER)
        assert eventually(lambda: get_in(live, client(CA, OTHER)))
        assert refused(live, client(CA, CA))


def test_client_commands_come_over_tls(
    mutual: Running,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The environment makes every client command one over TLS, with a certificate where asked."""
    server = f"127.0.0.1:{mutual.server.port}"
    arguments = ("recommend", "--id", "loyalty:L1", "--channel", "web", "--server", server)
    monkeypatch.setattr(sys, "argv", ["throughline", *arguments])

    def run() -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    names = ("SERVER_CA", "CLIENT_CERTIFICATE", "CLIENT_KEY")
    for name, content in zip(names, client(CA, CA), strict=True):
        code, _, told = run()
        assert code != 0
        assert told.count("\n") == 1
        assert content is not None
        (tmp_path / name).write_bytes(content)
        monkeypatch.setenv(f"THROUGHLINE_{name}", str(tmp_path / name))
    code, told, _ = run()
    assert code == 0
    assert "item:" in told


def wrong_files(directory: Path, fault: str) -> dict[str, Any]:
    """Return settings with one fault in the files."""
    files = server_files(directory, CA)
    options = tls_settings(files) | {"tls_client_ca": authority(directory, CA)}
    name, _, what = fault.partition(" ")
    if what == "missing":
        options[name] = directory / "absent.pem"
    elif what == "directory":
        options[name] = directory
    elif what == "garbage":
        options[name].write_bytes(b"\x00\xff not PEM")
    elif what == "empty":
        options[name].write_bytes(b"")
    elif what == "cut":
        options[name].write_bytes(options[name].read_bytes()[:-60])
    elif what == "another's":
        CA.issue_cert("127.0.0.1").private_key_pem.write_to_path(options[name])
    else:
        options[name].write_text(LOCKED_KEY)
    return options


LOCKED_KEY = """-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhk6kV4ZqMo3QICCAAw
-----END ENCRYPTED PRIVATE KEY-----
"""


@pytest.mark.parametrize(
    "fault",
    [
        f"{name} {what}"
        for name in ("tls_certificate", "tls_key", "tls_client_ca")
        for what in ("missing", "directory", "garbage", "empty", "cut")
    ]
    + ["tls_key another's", "tls_key locked"],
)
def test_bad_files_stop_the_start(tmp_path: Path, fault: str) -> None:
    """A file that is absent, no PEM, cut, or not of the other one stops the start by its name."""
    settings = read_settings(key="ab" * 32, **wrong_files(tmp_path, fault))
    with pytest.raises(ConfigurationError) as raised:
        check_settings(settings)
    assert str(raised.value).startswith(f"{fault.split()[0]}: ")
    assert "\n" not in str(raised.value)


def test_tls_permits_any_address(tmp_path: Path) -> None:
    """With a certificate an address other than loopback needs no further permission."""
    files = server_files(tmp_path, CA)
    settings = read_settings(listen="0.0.0.0:1", **tls_settings(files))
    assert settings.tls
    assert not settings.loopback


def test_key_that_others_may_read_is_told(tmp_path: Path) -> None:
    """A key file that group or world may read gives a warning, one of the owner alone does not."""
    files = server_files(tmp_path, CA)
    settings = read_settings(**tls_settings(files))
    with capture_logs() as logs:
        log_warnings(settings)
        assert logs == []
        files.key.chmod(0o640)
        log_warnings(settings)
    assert [(entry["event"], entry["setting"]) for entry in logs] == [
        ("others than its owner may use the key", "tls_key")
    ]
