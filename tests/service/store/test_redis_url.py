"""A URL names a Redis whole, or who wrote it is told what to write, and no password is shown."""

import re
import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import BadInput
from service.config.settings import ConfigurationError, read_settings
from service.store.database.location import described
from service.store.database.redis_url import RedisUrl, is_redis, parse_redis_url
from service.store.opening import open_store
from tests.support.backends import STORE_KEY

GOOD = {
    "redis://h:1/0": RedisUrl((("h", 1),), 0),
    "redis://h/3": RedisUrl((("h", 6379),), 3),
    "rediss://u:p%40ss@h:1/0": RedisUrl((("h", 1),), 0, tls=True, username="u", password="p@ss"),
    "redis://:p@[::1]:7/0": RedisUrl((("::1", 7),), 0, password="p"),
    "unix:///run/redis.sock?db=2": RedisUrl((), 2, path="/run/redis.sock"),
    "redis://h/0?health_check_interval=2": RedisUrl(
        (("h", 6379),), 0, options=(("health_check_interval", "2"),)
    ),
    "redis+cluster://a:1,b:2": RedisUrl((("a", 1), ("b", 2)), 0, cluster=True),
    "rediss+cluster://:p@a/0": RedisUrl((("a", 6379),), 0, tls=True, cluster=True, password="p"),
    "redis+sentinel://a:1,b/shop/0": RedisUrl((("a", 1), ("b", 26379)), 0, service="shop"),
    "rediss+sentinel://a/shop/4": RedisUrl((("a", 26379),), 4, tls=True, service="shop"),
}
BAD = {
    "redis://h": "database: want its number, as in redis://HOST:PORT/DB",
    "redis://h/": "database: want its number",
    "redis://h/shop": "database: want its number",
    "redis://h/-1": "database: want its number",
    "redis://h/0/1": "database: want its number",
    "redis://h:x/0": "port: want a number",
    "redis://h:70000/0": "port: want a number",
    "redis:///0": "host: want one",
    "redis://a,b/0": "host: want one, or redis+cluster:// or redis+sentinel://",
    "redis://h/0?db=1": "db: want the number of the database after the port",
    "unix:///run/redis.sock": "database: want its number, as in unix:///PATH",
    "redis+cluster://a/1": "database: a cluster has the database 0 alone",
    "redis+sentinel://a": "service: want the name that the sentinels know",
    "redis+sentinel://a/shop": "database: want its number",
    "redis://:geheim/x@h/0": "user: cannot be told from the rest",
    "redis://:geheim#x@h/0": "user: cannot be told from the rest",
    "redis://:geheim?x@h/0": "user: cannot be told from the rest",
    "redis://:geheim@x@h/0": "user: cannot be told from the rest",
    "redis://:geheim[x@h/0": "host: cannot be read",
    "redis://:geheim/0": "port: want a number",
}


@pytest.mark.parametrize(("url", "read"), GOOD.items(), ids=GOOD)
def test_a_url_is_read(url: str, read: RedisUrl) -> None:
    """Every part of a URL is where it belongs."""
    assert is_redis(url)
    assert parse_redis_url(url) == read


@pytest.mark.parametrize(("url", "said"), BAD.items(), ids=BAD)
def test_what_is_wrong_is_told(url: str, said: str) -> None:
    """A URL that is not whole is refused by what to write, and nothing of it is quoted."""
    with pytest.raises(BadInput, match=f"^{re.escape(f'store: {said}')}") as refused:
        open_store(url, key=STORE_KEY)
    assert "geheim" not in str(refused.value)
    assert "%2F" in str(refused.value) or "geheim" not in url


@pytest.mark.parametrize("url", ["unix+cluster:///a", "redis:h", "http://h/0", "redis+x://h/0"])
def test_another_scheme_is_no_redis(url: str) -> None:
    """Whatever is no URL of a Redis is refused as such."""
    assert not is_redis(url)
    with pytest.raises(BadInput, match="want sqlite:DIR or redis://"):
        open_store(url, key=STORE_KEY)


def test_a_setting_that_is_wrong_shows_no_password() -> None:
    """Whatever a person wrote for the store, the line that refuses it quotes nothing of it."""
    for url in BAD:
        with pytest.raises(ConfigurationError, match=r"^store: ") as refused:
            read_settings(None, store=url)
        assert "geheim" not in str(refused.value)


@given(st.text(string.ascii_letters + string.digits + ":/?@#%", max_size=6).map("SECRET".__add__))
def test_where_a_store_is_is_told_without_what_opens_it(secret: str) -> None:
    """No password is told: of the user, of an option, escaped or not, whatever it holds."""
    for url in (
        f"redis://:{secret}@shop.example:6379/0",
        f"rediss://user:{secret}@shop.example:6379/0?ssl_password={quote(secret)}",
        f"redis+sentinel://shop.example:26379/service/0?sentinel_password={quote(secret)}",
        f"unix://user:{secret}@/run/redis.sock?db=1&password={quote(secret)}",
    ):
        told = described(url)
        assert "SECRET" not in told
        assert told.startswith((f"{url.partition('://')[0]}://shop.example:", "unix:///run/redis"))
