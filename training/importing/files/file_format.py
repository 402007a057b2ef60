"""How a file is written: what of it the mapping says, and what is left to be found out."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class FileFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `read` says of a file of text; what it does not say is looked for in the file."""

    columns: Annotated[
        list[str], Meta(description="the names of the columns of a file without a header")
    ] = []
    delimiter: Annotated[
        str | None,
        Meta(
            description="what stands between fields; without it the one of comma, semicolon, tab "
            "and bar that divides the rows alike"
        ),
    ] = None
    quote: Annotated[str, Meta(description='what fields are quoted with; `""`: they are not')] = '"'
    encoding: Annotated[
        str | None,
        Meta(
            description="of the text, such as `cp1252` or `latin-1`; without it UTF-8, or what "
            "the mark at the beginning of the file says"
        ),
    ] = None
    undecodable: Annotated[
        Literal["stop", "reject"],
        Meta(
            description="what is not of the encoding stops the import, or only its rows are "
            "rejected"
        ),
    ] = "stop"
    decimal: Annotated[
        Literal[".", ","] | None,
        Meta(description="the decimal sign; without it the one that the column shows"),
    ] = None
    thousands: Annotated[
        str | None,
        Meta(
            description="what parts thousands; without it the sign that is not `decimal`, blanks "
            "and apostrophes"
        ),
    ] = None
    null: Annotated[
        list[str], Meta(description="texts that mean that there is no value, such as `NULL`")
    ] = []
