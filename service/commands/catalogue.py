"""The commands for the catalogue of a running service: `throughline offers|items`.

What `list --json` and `get --json` print is what `upsert` reads: change it and send it back.
"""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.ask import DEFAULT_SERVER, AsJson, Server, Timeout

offers = typer.Typer(no_args_is_help=True, help="Show and change the offers of a running service.")
items = typer.Typer(no_args_is_help=True, help="Show and change the items of a running service.")

Most = Annotated[int, typer.Option("--count", min=1, help="How many to list at most.")]
File = Annotated[
    Path, typer.Argument(allow_dash=True, help="One JSON object a line; `-` reads stdin.")
]
PAGE = 1000  # rows that one call may ask for or send


@offers.command("list")
def list_offers(
    most: Most = 50,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """List the offers by id; with --json one object a line."""
    from throughline.v1.offer_pb2 import ListOffersRequest, Offer

    from service.client import connect
    from service.commands import catalogue_tables as tables

    found: list[Offer] = []
    token = ""
    with connect(server, timeout) as client:
        while len(found) < most:
            request = ListOffersRequest(page_size=min(PAGE, most - len(found)), page_token=token)
            page = client.call(client.offers.ListOffers, request)
            found += page.offers
            token = page.next_page_token
            if not token:
                break
    tables.show(found, tables.offers, as_json, more=bool(token))


@items.command("list")
def list_items(
    most: Most = 50,
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """List the items by id; with --json one object a line."""
    from throughline.v1.offer_pb2 import Item, ListItemsRequest

    from service.client import connect
    from service.commands import catalogue_tables as tables

    found: list[Item] = []
    token = ""
    with connect(server, timeout) as client:
        while len(found) < most:
            request = ListItemsRequest(page_size=min(PAGE, most - len(found)), page_token=token)
            page = client.call(client.offers.ListItems, request)
            found += page.items
            token = page.next_page_token
            if not token:
                break
    tables.show(found, tables.items, as_json, more=bool(token))


@offers.command("get")
def get_offer(
    offer: Annotated[str, typer.Argument(help="The offer's id; item:ID for a default offer.")],
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Show one offer."""
    from throughline.v1.offer_pb2 import GetOfferRequest

    from service.client import connect
    from service.commands import catalogue_tables as tables

    with connect(server, timeout) as client:
        answer = client.call(client.offers.GetOffer, GetOfferRequest(offer_id=offer))
    tables.show([answer.offer], tables.offers, as_json)


@items.command("get")
def get_item(
    item: Annotated[str, typer.Argument(help="The item's id.")],
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Show one item."""
    from throughline.v1.offer_pb2 import GetItemRequest

    from service.client import connect
    from service.commands import catalogue_tables as tables

    with connect(server, timeout) as client:
        answer = client.call(client.offers.GetItem, GetItemRequest(item_id=item))
    tables.show([answer.item], tables.items, as_json)


@offers.command("upsert")
def upsert_offers(file: File, server: Server = DEFAULT_SERVER, timeout: Timeout = 30.0) -> None:
    """Add or replace offers from a file; each 1,000 of them all or none."""
    from throughline.v1.offer_pb2 import Offer, UpsertOffersRequest

    from service.client import connect
    from service.commands.parsing import json_lines
    from service.commands.terminal import output

    rows = json_lines(file, Offer)
    revision = 0
    with connect(server, timeout) as client:
        for start in range(0, len(rows), PAGE):
            request = UpsertOffersRequest(offers=rows[start : start + PAGE])
            revision = client.call(client.offers.UpsertOffers, request).revision
    output().print(f"Stored {len(rows):,}: catalogue revision {revision}")


@items.command("upsert")
def upsert_items(file: File, server: Server = DEFAULT_SERVER, timeout: Timeout = 30.0) -> None:
    """Add or replace items from a file; each 1,000 of them all or none."""
    from throughline.v1.offer_pb2 import Item, UpsertItemsRequest

    from service.client import connect
    from service.commands.parsing import json_lines
    from service.commands.terminal import output

    rows = json_lines(file, Item)
    revision = 0
    with connect(server, timeout) as client:
        for start in range(0, len(rows), PAGE):
            request = UpsertItemsRequest(items=rows[start : start + PAGE])
            revision = client.call(client.offers.UpsertItems, request).revision
    output().print(f"Stored {len(rows):,}: catalogue revision {revision}")


@offers.command("withdraw")
def withdraw_offers(
    ids: Annotated[list[str], typer.Argument(help="The ids of the offers.")],
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
) -> None:
    """Take offers out of every answer."""
    from throughline.v1.offer_pb2 import WithdrawOffersRequest

    from service.client import connect
    from service.commands.terminal import output

    with connect(server, timeout) as client:
        request = WithdrawOffersRequest(offer_ids=ids)
        answer = client.call(client.offers.WithdrawOffers, request)
    output().print(f"Withdrew {answer.withdrawn}: catalogue revision {answer.revision}")


@items.command("withdraw")
def withdraw_items(
    ids: Annotated[list[str], typer.Argument(help="The ids of the items.")],
    server: Server = DEFAULT_SERVER,
    timeout: Timeout = 10.0,
) -> None:
    """Take items, and their default offers, out of every answer."""
    from throughline.v1.offer_pb2 import WithdrawItemsRequest

    from service.client import connect
    from service.commands.terminal import output

    with connect(server, timeout) as client:
        request = WithdrawItemsRequest(item_ids=ids)
        answer = client.call(client.offers.WithdrawItems, request)
    output().print(f"Withdrew {answer.withdrawn}: catalogue revision {answer.revision}")
