"""One gRPC call sent frame by frame: what no gRPC client would send."""

import socket
from typing import NamedTuple
from urllib.parse import unquote

import h2.config
import h2.connection
import h2.events


class Answer(NamedTuple):
    """The status of a call, as sent."""

    code: int
    details: str


def call(port: int, method: str, message: bytes, **headers: str) -> Answer:
    """Send one message to `Service/Method` and return the status that came back.

    `headers` are added; a `_` in a name stands for `-`. No deadline is kept on this side.
    """
    config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    connection = h2.connection.H2Connection(config)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        connection.initiate_connection()
        connection.send_headers(
            1,
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", f"/throughline.v1.{method}"),
                (":authority", "localhost"),
                ("te", "trailers"),
                ("content-type", "application/grpc"),
                *((name.replace("_", "-"), value) for name, value in headers.items()),
            ],
        )
        compressed = "grpc_encoding" in headers
        prefix = bytes([compressed]) + len(message).to_bytes(4, "big")
        connection.send_data(1, prefix + message, end_stream=True)
        wire.sendall(connection.data_to_send())
        status: dict[str, str] = {}
        while data := wire.recv(65536):
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    status.update({str(name): str(value) for name, value in event.headers})
                if isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
                    return Answer(
                        int(status.get("grpc-status", -1)), unquote(status.get("grpc-message", ""))
                    )
            wire.sendall(connection.data_to_send())
    raise AssertionError("the connection ended before the call")
