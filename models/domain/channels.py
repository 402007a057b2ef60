"""The built-in channels: one declaration each, which the rest follows.

A server's settings may declare further ones (`channels`), which a policy may name outbound.
"""

from typing import NamedTuple


class Channel(NamedTuple):
    """Where a touch happens. `outbound`: showing there is sending, unless a policy says otherwise.

    On outbound channels every cap is hard.
    """

    name: str
    outbound: bool = False


BUILT_IN = (
    Channel("web"),
    Channel("app"),
    Channel("email", outbound=True),
    Channel("sms", outbound=True),
    Channel("push", outbound=True),
    Channel("till"),
    Channel("kiosk"),
    Channel("call_center"),
    Channel("direct_mail", outbound=True),
    Channel("store"),
    Channel("tv"),
)
CHANNELS = tuple(channel.name for channel in BUILT_IN)
OUTBOUND = tuple(channel.name for channel in BUILT_IN if channel.outbound)
