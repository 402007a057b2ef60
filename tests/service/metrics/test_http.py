"""The page for scrapers: served to who asks properly, whoever else is connected."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psutil
import pytest

from service.metrics.http import CONNECTIONS, HttpPage
from tests.support.waiting import PATIENCE, eventually

BODY = b"figure 1\n"


class Counted:
    """A page that takes a while, and how often it was made."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.made = 0
        self._seconds = seconds

    def __call__(self) -> bytes:
        """Make it."""
        self.made += 1
        time.sleep(self._seconds)
        return BODY


@pytest.fixture
def page() -> Iterator[HttpPage]:
    """A page that costs nothing."""
    with HttpPage("127.0.0.1", 0, "text/plain", Counted()) as served:
        yield served


def get(port: int, method: str = "GET") -> bytes:
    """Ask for the page."""
    asked = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", method=method)
    with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
        body: bytes = answer.read()
        return body


def test_it_serves_the_page(page: HttpPage) -> None:
    """A scraper gets the page, as often as it asks; what is no question is refused."""
    assert [get(page.port) for _ in range(3)] == [BODY] * 3
    assert get(page.port, "HEAD") == b""
    with pytest.raises(urllib.error.HTTPError) as raised:
        get(page.port, "POST")
    assert raised.value.code == 405
    raised.value.close()
    with socket.create_connection(("127.0.0.1", page.port), PATIENCE) as other:
        other.sendall(b"\x16\x03\x01" + b"x" * 100_000)
        assert other.recv(10) == b""
    assert get(page.port) == BODY


def test_slow_scrapers_hold_up_nobody(page: HttpPage) -> None:
    """Beside 400 connections that never end their question a scraper gets the page at once."""
    threads = threading.active_count()
    with ExitStack() as opened:
        for _ in range(400):
            slow = socket.create_connection(("127.0.0.1", page.port), PATIENCE)
            opened.callback(slow.close)
            slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert get(page.port) == BODY
        assert threading.active_count() == threads
        ours = psutil.Process()

        def held() -> int:
            found = ours.net_connections("tcp")
            return sum(
                one.status == psutil.CONN_ESTABLISHED and one.laddr.port == page.port
                for one in found
            )

        assert eventually(lambda: held() <= CONNECTIONS)
        assert get(page.port) == BODY


def test_a_large_page_is_sent_whole() -> None:
    """A page larger than any buffer arrives whole, however slowly it is read."""
    large = b"x" * 5_000_000
    with HttpPage("127.0.0.1", 0, "text/plain", lambda: large) as page:
        with socket.create_connection(("127.0.0.1", page.port), PATIENCE) as reader:
            reader.sendall(b"GET / HTTP/1.1\r\n\r\n")
            time.sleep(0.5)
            received = b"".join(iter(lambda: reader.recv(1 << 20), b""))
        assert received.partition(b"\r\n\r\n")[2] == large


def test_making_the_page_takes_a_share_of_the_time() -> None:
    """However many ask at once, the page is made seldom, and everybody gets one made after."""
    counted = Counted(0.05)
    with HttpPage("127.0.0.1", 0, "text/plain", counted) as page, ThreadPoolExecutor(20) as pool:
        begun = time.monotonic()
        assert list(pool.map(lambda _: get(page.port), range(100))) == [BODY] * 100
        passed = time.monotonic() - begun
    assert counted.made <= 2 + passed / 0.45


def test_a_taken_port_is_told(page: HttpPage) -> None:
    """A port that somebody has is an error at once."""
    with pytest.raises(OSError, match="address already in use"):
        HttpPage("127.0.0.1", page.port, "text/plain", Counted())
