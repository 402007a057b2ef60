"""The messages that every service of the contract has: an amount of money, and a time."""

from google.protobuf.timestamp_pb2 import Timestamp
from throughline.v1 import common_pb2

from models.domain.catalogue import Money


def fill_money(message: common_pb2.Money, money: Money) -> None:
    """Fill `message` with an amount."""
    message.currency, message.units, message.nanos = money.currency, money.units, money.nanos


def timestamp(microseconds: int) -> Timestamp:
    """Return the message of a time in microseconds."""
    message = Timestamp()
    message.FromMicroseconds(microseconds)
    return message
