"""The commands that talk to a running service about customers: ask, record, link, unlink, look."""

import os
import uuid
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import DEFAULT_SERVER, AsJson, Server, Timeout

# What the commands need is imported when one runs: `throughline --help` stays instant.

Ids = Annotated[
    list[str],
    typer.Option(
        "--id", metavar="NAMESPACE:VALUE", help="Who, such as loyalty:L1. Repeat for several."
    ),
]
First = Annotated[str, typer.Argument(help="The one identifier, namespace:value.")]
Second = Annotated[str, typer.Argument(help="The other identifier.")]
By = Annotated[str, typer.Option(help="Who says so: login, loyalty_scan, agent, ...")]


def recommend(
    ids: Ids,
    channel: Annotated[str, typer.Option(help="The channel that will show it.")],
    placement: Annotated[str, typer.Option(help="The slot on that channel.")] = "",
    intent: Annotated[
        str, typer.Option(help="default, discovery, replenish or service, or one of the policy's.")
    ] = "",
    place: Annotated[str, typer.Option(help="The store the customer is at.")] = "",
    count: Annotated[int, typer.Option(help="How many offers; 0 for the default of 10.")] = 0,
    include: Annotated[
        list[str] | None, typer.Option(metavar="OFFER", help="Only these offers.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="OFFER", help="Not these offers.")
    ] = None,
    context: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND:ITEM",
            help="What the customer has before them: view:ITEM or cart:ITEM. Repeat for several.",
        ),
    ] = None,
    request_id: Annotated[
        str, typer.Option(help="Sent again under the same name it gets the same decision.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide, and keep nothing.")] = False,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Ask what to offer a customer here and now, with the reasons."""
    from throughline.v1.recommendation_pb2 import RecommendRequest

    from service.client import connect
    from service.commands.answers import recommendation
    from service.commands.parsing import read_context_item, read_identifiers
    from service.commands.terminal import output, print_json

    request = RecommendRequest(
        identifiers=read_identifiers(ids),
        channel=channel,
        placement=placement,
        intent=intent,
        place=place,
        count=count,
        include=include or (),
        exclude=exclude or (),
        context_items=[read_context_item(text) for text in context or ()],
        request_id=request_id,
        dry_run=dry_run,
    )
    with connect(server, timeout) as client:
        answer = client.call(client.recommendations.Recommend, request)
    if as_json:
        print_json(answer)
    else:
        output().print(*recommendation(answer), sep="\n")


def record(
    file: Annotated[
        Path | None,
        typer.Argument(help="Events, one JSON object a line; `-` reads stdin.", allow_dash=True),
    ] = None,
    identifier: Annotated[str, typer.Option("--id", metavar="NAMESPACE:VALUE", help="Who.")] = "",
    event_type: Annotated[str, typer.Option("--type", help="What: view, purchase, ...")] = "",
    channel: Annotated[str, typer.Option(help="Where: web, app, till, ...")] = "",
    item: Annotated[str, typer.Option(help="The item it is about.")] = "",
    offer: Annotated[str, typer.Option(help="The offer it is about.")] = "",
    placement: Annotated[str, typer.Option(help="The slot on the channel.")] = "",
    place: Annotated[str, typer.Option(help="The store.")] = "",
    quantity: Annotated[float, typer.Option(help="How many or how much.")] = 0.0,
    amount: Annotated[str, typer.Option(help='What was paid, such as "3.50 EUR".')] = "",
    decision: Annotated[str, typer.Option(help="The decision that it answers.")] = "",
    of_event: Annotated[str, typer.Option(help="For return and void: what is taken back.")] = "",
    receipt: Annotated[str, typer.Option(help="The receipt or order that it stands on.")] = "",
    discount: Annotated[str, typer.Option(help="What was taken off the price.")] = "",
    attribute: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="For attributes_changed.")
    ] = None,
    time: Annotated[str, typer.Option(help="When; default: this computer's present.")] = "",
    event_id: Annotated[str, typer.Option(help="Makes it idempotent; default: a new one.")] = "",
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 30.0,
    as_json: AsJson = False,
) -> None:
    """Record one event given by options, or many from a file or stdin.

    A row of the file is a JSON object with the contract's field names: event_id, identifier
    ("loyalty:L1"), type, channel, time ("2026-03-01T17:30:00Z"), item_id, ...
    """
    from throughline.v1.event_pb2 import Event

    from models.errors import BadInput
    from service.client import connect
    from service.commands import parsing, recording
    from service.commands.amounts import read_money

    if (file is None) == (not identifier):
        raise BadInput("record", "want either a file of events, or --id, --type and --channel")
    lines = None
    if file is not None:
        read = parsing.json_lines(file, Event)
        events, lines = read.messages, read.lines
    else:
        event = Event(
            event_id=event_id or uuid.uuid4().hex,
            identifier=parsing.read_identifier(identifier),
            type=event_type,
            channel=channel,
            time=parsing.read_time(time),
            item_id=item,
            offer_id=offer,
            placement=placement,
            place=place,
            quantity=quantity,
            amount=read_money(amount) if amount else None,
            decision_id=decision,
            attributes=dict(parsing.read_pair(text, "--attribute") for text in attribute or ()),
            of_event_id=of_event,
            receipt_id=receipt,
            discount=read_money(discount) if discount else None,
        )
        events = [event]
    with connect(server, timeout) as client:
        recorded = recording.send_events(client, events)
    recording.report_events(recorded, as_json, lines)
    if recorded.refused:
        raise typer.Exit(os.EX_DATAERR)


def link(
    a: First,
    b: Second,
    by: By,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """State that two identifiers belong to one customer."""
    from throughline.v1.customer_pb2 import LinkIdentifiersRequest

    from service.client import connect
    from service.commands.parsing import read_identifier_pair
    from service.commands.terminal import output, print_json

    first, second = read_identifier_pair(a, b)
    request = LinkIdentifiersRequest(a=first, b=second, asserted_by=by)
    with connect(server, timeout) as client:
        answer = client.call(client.customers.LinkIdentifiers, request)
    if as_json:
        print_json(answer)
        return
    said = "Linked" if answer.changed else "Linked before already"
    output().print(f"{said}: customer {answer.customer_id}, profile {answer.profile_version}")


def unlink(
    a: First,
    b: Second,
    by: By,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Take back what links two identifiers."""
    from throughline.v1.customer_pb2 import UnlinkIdentifiersRequest

    from service.client import connect
    from service.commands.parsing import read_identifier_pair
    from service.commands.terminal import output, print_json

    first, second = read_identifier_pair(a, b)
    request = UnlinkIdentifiersRequest(a=first, b=second, asserted_by=by)
    with connect(server, timeout) as client:
        answer = client.call(client.customers.UnlinkIdentifiers, request)
    if as_json:
        print_json(answer)
        return
    said = "The link is taken back" if answer.changed else "No link between them"
    rest = "still one customer, by other links" if answer.linked else "two customers"
    output().print(f"{said}: {rest}")


def customer(
    ids: Ids,
    recent: Annotated[int, typer.Option(help="How many of the latest events; 0: 20.")] = 0,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a customer."""
    from throughline.v1.customer_pb2 import GetCustomerRequest

    from service.client import connect
    from service.commands import answers
    from service.commands.parsing import read_identifiers
    from service.commands.terminal import output, print_json

    request = GetCustomerRequest(identifiers=read_identifiers(ids), recent=recent)
    with connect(server, timeout) as client:
        answer = client.call(client.customers.GetCustomer, request)
    if as_json:
        print_json(answer)
    else:
        output().print(*answers.customer(answer), sep="\n")
