"""A call that does not get through says why in one line: TLS, a proxy, another server, nobody."""

import http.server
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from service.client import CallFailed, Tls, connect
from service.proxies import EXCEPT, PROXIES, address_of, proxy_variable
from tests.support.certificates import authority, client, server_files
from tests.support.in_process import Running, running
from tests.support.ports import free_port

pytestmark = pytest.mark.machine

CA, OTHER = trustme.CA(), trustme.CA()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server without TLS."""
    with running(tmp_path_factory.mktemp("plain")) as live:
        yield live


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server over TLS."""
    directory = tmp_path_factory.mktemp("encrypted")
    files = server_files(directory, CA)
    options: dict[str, Any] = {"tls_certificate": files.certificate, "tls_key": files.key}
    with running(directory, tls=client(CA), **options) as live:
        yield live


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server over TLS that asks for a certificate."""
    directory = tmp_path_factory.mktemp("mutual")
    files = server_files(directory, CA)
    options: dict[str, Any] = {"tls_certificate": files.certificate, "tls_key": files.key}
    options["tls_client_ca"] = authority(directory, CA)
    with running(directory, tls=client(CA, CA), **options) as live:
        yield live


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names no proxy."""
    for name in (*PROXIES, *EXCEPT):
        monkeypatch.delenv(name, raising=False)


def told(server: str, tls: Tls | None = None) -> str:
    """Return what is said of a call that does not get through; the deadline is not waited for."""
    with (
        connect(server, 5.0, Tls() if tls is None else tls) as asked,
        pytest.raises(CallFailed) as failed,
    ):
        asked.call(asked.health, HealthCheckRequest())
    assert failed.value.exit_code == 69
    assert "\n" not in str(failed.value)
    return str(failed.value)


@pytest.mark.usefixtures("no_proxies")
def test_tls_on_one_side_only_is_said(plain: Running, encrypted: Running) -> None:
    """A server over TLS that is asked without, and the reverse, and what to set or unset."""
    assert (
        f"127.0.0.1:{encrypted.server.port} is over TLS, and was asked without; "
        "THROUGHLINE_SERVER_CA names the PEM file"
    ) in told(f"127.0.0.1:{encrypted.server.port}")
    assert (
        f"127.0.0.1:{plain.server.port} is not over TLS, and was asked over it; "
        "unset THROUGHLINE_SERVER_CA"
    ) in told(f"127.0.0.1:{plain.server.port}", client(CA))


@pytest.mark.usefixtures("no_proxies")
def test_who_is_not_trusted_is_said(encrypted: Running, mutual: Running) -> None:
    """A server of another authority, a file that is none, and a server that wants a certificate."""
    where = f"127.0.0.1:{encrypted.server.port}"
    said = told(where, client(OTHER))
    assert f"the certificate of {where} is not trusted: " in said
    assert "THROUGHLINE_SERVER_CA says whom to trust" in said
    assert "THROUGHLINE_SERVER_CA: not the certificate" in told(where, Tls(b"nonsense"))
    said = told(f"127.0.0.1:{mutual.server.port}", client(CA))
    assert "where it asks for a certificate, THROUGHLINE_CLIENT_CERTIFICATE names it" in said


@pytest.mark.usefixtures("no_proxies")
def test_another_server_and_nobody_are_told_apart() -> None:
    """A web server is no gRPC server; a port that nobody listens on is asked about."""
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    serving = threading.Thread(target=web.serve_forever, daemon=True)
    serving.start()
    try:
        for tls in (Tls(), client(CA)):
            said = told(f"127.0.0.1:{web.server_address[1]}", tls)
            assert "is a server of HTTP, not of gRPC" in said
    finally:
        web.shutdown()
        web.server_close()
        serving.join()
    where = f"127.0.0.1:{free_port()}"
    for tls in (Tls(), client(CA)):
        assert f"no service answers at {where}; is `throughline serve` up?" in told(where, tls)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("name", PROXIES)
def test_this_machine_is_asked_without_a_proxy(
    plain: Running, monkeypatch: pytest.MonkeyPatch, name: str, host: str
) -> None:
    """Whatever proxy the environment names, a call to loopback arrives."""
    monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    with connect(f"{host}:{plain.server.port}", 10.0, Tls()) as asked:
        answer = asked.call(asked.health, HealthCheckRequest())
    assert answer.status == HealthCheckResponse.SERVING


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_that_was_asked_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Other hosts are asked through the proxy, and the failure says so, never as whom."""
    monkeypatch.setenv(name, f"http://user:secret@127.0.0.1:{free_port()}")
    said = told("shop.invalid:50051")
    assert f"at shop.invalid:50051 through the proxy that {name} names" in said
    assert "no_proxy=shop.invalid goes without it" in said
    assert "secret" not in said


@pytest.mark.parametrize(
    ("server", "environment", "variable"),
    [
        ("shop.example:50051", {}, ""),
        ("shop.example:50051", {"http_proxy": "p", "https_proxy": "q"}, "https_proxy"),
        ("shop.example:50051", {"grpc_proxy": "p", "https_proxy": "q"}, "grpc_proxy"),
        ("shop.example:50051", {"http_proxy": "p", "no_proxy": "other, shop.example"}, ""),
        ("shop.example:50051", {"http_proxy": "p", "no_proxy": "example.org"}, "http_proxy"),
        ("dns:///shop.example", {"http_proxy": "p"}, "http_proxy"),
        ("127.9.9.9:1", {"http_proxy": "p"}, ""),
        ("[::1]:1", {"http_proxy": "p"}, ""),
        ("localhost", {"http_proxy": "p"}, ""),
        ("unix:/tmp/socket", {"http_proxy": "p"}, ""),
    ],
)
def test_the_proxy_is_the_one_that_grpc_takes(
    server: str, environment: Mapping[str, str], variable: str
) -> None:
    """The first variable that is set, but for hosts that are spared, and this very machine."""
    assert proxy_variable(address_of(server), environment) == variable


def test_an_answer_may_be_larger_than_grpc_takes_by_default(tmp_path: Path) -> None:
    """What was decided is not thrown away at the client for its size."""
    service = grpc.method_handlers_generic_handler(
        "big.Service",
        {"Ask": grpc.unary_unary_rpc_method_handler(lambda request, context: b"x" * 7_000_000)},
    )
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((service,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Tls().channel(f"127.0.0.1:{port}") as channel:
            ask: Any = channel.unary_unary("/big.Service/Ask")
            assert len(ask(b"", timeout=10)) == 7_000_000
    finally:
        server.stop(None).wait()
