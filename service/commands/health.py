"""The command `throughline health`: asks a running service whether it serves.

What an image's or an orchestrator's health check runs, every few seconds: it starts quickly and
says one line.
"""

import os
from typing import Annotated

import typer

from models.errors import ThroughlineError
from service.commands.options import DEFAULT_SERVER, Server, Timeout


class NotServing(ThroughlineError):
    """A service that answers, and says that it does not serve."""

    exit_code = os.EX_UNAVAILABLE


def health(
    service: Annotated[
        str,
        typer.Option(
            "--service",
            metavar="NAME",
            help="One service by its full name, such as throughline.v1.EventService. "
            "Default: all that it takes to decide.",
        ),
    ] = "",
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 3.0,
) -> None:
    """Ask a running service whether it serves; 0: it does, 69: it does not, or nobody answers.

    It serves once a release decides. throughline.v1.EventService serves while events can be stored;
    throughline.v1.ReleaseService and PolicyService unless what is in force of them was refused;
    grpc.health.v1.Health whenever the process does.
    """
    import grpc
    from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

    from service.client import CallFailed, connect

    with connect(server, timeout) as client:
        try:
            answer = client.call(client.health, HealthCheckRequest(service=service))
        except CallFailed as error:
            if error.code is not grpc.StatusCode.NOT_FOUND:
                raise
            raise CallFailed(error.code, f"{server} has no service {service}") from None
    status = HealthCheckResponse.ServingStatus.Name(answer.status)
    if answer.status != HealthCheckResponse.SERVING:
        why = f"does not serve {service}" if service else "has no release in force, or is stopping"
        raise NotServing(f"{status}: {server} {why}")
    print(status)
