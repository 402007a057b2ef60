"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_SERVER = "127.0.0.1:50051"
DEFAULT_REGISTRY = Path("var/registry")

AsJson = Annotated[bool, typer.Option("--json", help="Print the contract's answer as JSON.")]

# A running service.
Server = Annotated[
    str,
    typer.Option(
        "--server",
        envvar="THROUGHLINE_SERVER",
        metavar="HOST:PORT",
        help="The service. Over TLS where THROUGHLINE_SERVER_CA names the PEM file of the "
        "authority to trust; THROUGHLINE_CLIENT_CERTIFICATE and THROUGHLINE_CLIENT_KEY name the "
        "PEM files that the client shows.",
    ),
]
# The same in commands that otherwise work on a directory.
ServerInstead = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        help="A running service instead of a directory. Over TLS where "
        "THROUGHLINE_SERVER_CA names the PEM file of the authority to trust.",
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.001, metavar="SECONDS", help="Deadline of the call.")
]

# A registry of releases.
RegistryDirectory = Annotated[
    Path,
    typer.Option("--registry", help="Directory of the releases.", envvar="THROUGHLINE_REGISTRY"),
]

# A store, without a service.
StoreUrl = Annotated[
    str | None, typer.Option("--store", help="sqlite:DIRECTORY or redis://HOST:PORT/DB.")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key-file", help="File with the key of the identifiers, in hex.")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="The server's settings, a TOML file.")
]
