"""Redis under Sentinel: whoever the sentinels call the primary, asked again for each connection.

Connections to a server that is primary no more are closed by the sentinels' own doing, by
`look_again`, or when they fail; each new one asks the sentinels first, and goes to a server that
says of itself that it is the primary.
"""

from typing import Any

import redis

from models.errors import StoreUnavailable
from service.store.redis.answers import to_bytes
from service.store.redis.node import RedisNode
from service.store.redis.servers import Address, NodeMaker, OneServer


class SentinelServers(OneServer):
    """The primary of a service that sentinels watch over."""

    def __init__(self, maker: NodeMaker) -> None:
        self._maker = maker
        self._sentinels = [maker.sentinel(address) for address in maker.url.hosts]
        self._address: Address | None = None
        name = f"redis {maker.url.service} by sentinel"
        super().__init__(maker.followed(name, _followed(maker.kind, self._primary)))

    def look_again(self) -> None:
        """Let go of connections to a server that is primary no more."""
        before = self._address
        try:
            now = self._primary()
        except redis.ConnectionError:
            return  # whoever is connected goes on without the sentinels
        if now != before:
            self._node.drop()

    def close(self) -> None:
        """Close the connections."""
        super().close()
        for sentinel in self._sentinels:
            sentinel.drop()

    def _primary(self) -> Address:
        """Return where the primary is; raises `redis.ConnectionError` where no sentinel knows."""
        service = self._maker.url.service or ""
        reasons = []
        for at, sentinel in enumerate(self._ordered()):
            try:
                with self._maker.budget.share(len(self._sentinels) - at + 1):
                    (answer,) = sentinel.exchange(
                        [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", service)]
                    )
            except StoreUnavailable as error:
                reasons.append(str(error))
                continue
            if isinstance(answer, list) and len(answer) == 2:
                self._address = (to_bytes(answer[0]).decode(), int(answer[1]))
                return self._address
            reasons.append(f"{sentinel.name}: does not know the service")
        raise redis.ConnectionError("; ".join(reasons))

    def _ordered(self) -> list[RedisNode]:
        """Return the sentinels, those first that answered last."""
        return sorted(self._sentinels, key=lambda sentinel: sentinel.breaker.failing)


def _followed(kind: type[Any], primary: Any) -> type[Any]:
    """Return a kind of connection that goes to wherever `primary` says."""

    class Followed(kind):  # type: ignore[misc]
        def _connect(self) -> Any:
            self.host, self.port = primary()
            return super()._connect()

        def on_connect_check_health(self, check_health: bool = True) -> None:
            super().on_connect_check_health(check_health=check_health)
            self.send_command("ROLE", check_health=False)
            role = self.read_response()
            if not isinstance(role, list) or role[:1] != [b"master"]:
                self.disconnect()
                raise redis.ConnectionError("not the primary: a failover is under way")

    return Followed
