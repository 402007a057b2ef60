"""Why no service answers at an address: nobody there, TLS on one side only, or something else.

gRPC says "failed to connect" to all of it. So the address is asked once more, by hand.
"""

import socket
import ssl

from service.proxies import Address, proxy_variable

SECONDS = 1.0  # for each question
TRUST = "THROUGHLINE_SERVER_CA"
SHOWN = "THROUGHLINE_CLIENT_CERTIFICATE"

_HTTP = b"HEAD / HTTP/1.0\r\n\r\n"


def why(server: str, address: Address | None, ca: bytes | None) -> str:
    """Return in one line why a call to `server` did not get through, and what to do.

    `ca` is the authority in PEM that the client trusts; None: it asked without TLS.
    """
    nobody = f"no service answers at {server}; is `throughline serve` up?"
    through = proxy_variable(address)
    if through:
        return (
            f"no service answers at {server} through the proxy that {through} names; "
            f"no_proxy={address.host if address else server} goes without it"
        )
    if address is None or not _listens(address):
        return nobody
    if _speaks_tls(address):
        if ca is None:
            return (
                f"{server} is over TLS, and was asked without; {TRUST} names the PEM file of the "
                "authority to trust"
            )
        return _refused(server, address, ca)
    if _speaks_http(address):
        return f"{server} is a server of HTTP, not of gRPC; is it the port of `throughline serve`?"
    if ca is not None:
        return f"{server} is not over TLS, and was asked over it; unset {TRUST}"
    return nobody


def _listens(address: Address) -> bool:
    try:
        socket.create_connection(address, SECONDS).close()
    except OSError:
        return False
    return True


def _speaks_tls(address: Address) -> bool:
    """Tell whether a handshake comes about, whoever the server says it is: nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        _handshake(address, context)
    except OSError:
        return False
    return True


def _refused(server: str, address: Address, ca: bytes) -> str:
    """Return what a server of TLS and a client of TLS do not like of each other."""
    try:
        context = ssl.create_default_context(cadata=ca.decode("ascii"))
    except (ValueError, ssl.SSLError):
        return f"{TRUST}: not the certificate of an authority in PEM"
    try:
        _handshake(address, context)
    except ssl.SSLCertVerificationError as error:
        reason = error.verify_message.rstrip(".")
        return f"the certificate of {server} is not trusted: {reason}; {TRUST} says whom to trust"
    except OSError:
        pass
    return (
        f"{server} took no connection over TLS; where it asks for a certificate, {SHOWN} names it"
    )


def _handshake(address: Address, context: ssl.SSLContext) -> None:
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(address, SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=address.host),
    ):
        pass


def _speaks_http(address: Address) -> bool:
    try:
        with socket.create_connection(address, SECONDS) as plain:
            plain.sendall(_HTTP)
            return plain.recv(8).startswith(b"HTTP/")
    except OSError:
        return False
