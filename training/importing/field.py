"""Where a column of a dataset comes from: what a mapping says of one."""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_PART = re.compile(r"\{([^{}]*)\}")


class Field(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a canonical column comes from: exactly one of `column`, `const` and `template`."""

    column: Annotated[str | None, Meta(description="a column of the file, or of a join")] = None
    const: Annotated[str | None, Meta(description="the same for every row")] = None
    template: Annotated[
        str | None,
        Meta(
            description="a text with columns, or the row's number, filled in: "
            '`"{basket}:{product}:{row}"`'
        ),
    ] = None
    map: Annotated[
        dict[str, str] | None,
        Meta(
            description="turns each value into another; a value that is not in it takes `default`, "
            "or the row is rejected"
        ),
    ] = None
    default: Annotated[str | None, Meta(description="goes with `map`")] = None
    split: Annotated[str | None, Meta(description="a separator that makes a list of a text")] = None
    times: Annotated[
        str | None,
        Meta(description="of money: the column to multiply by, as a price by the quantity"),
    ] = None
    format: Annotated[
        str | list[str],
        Meta(
            description="of a time, or several to try in turn: `guess`, by what it looks like; "
            "`day_first` or `month_first`, which also say what 3/4/2025 is; `iso` (also for "
            "dates), `epoch_seconds`, `epoch_milliseconds`, `epoch_microseconds`, "
            "`epoch_nanoseconds`, or a strptime pattern"
        ),
    ] = "guess"
    zone: Annotated[
        str | None, Meta(description="of a time without one, where it is not the dataset's")
    ] = None
    plus_days: Annotated[
        int,
        Meta(description='moves a date: "valid until the 9th" ends on the 10th at 0:00'),
    ] = 0
    skipped_hour: Annotated[
        Literal["reject", "after"],
        Meta(
            description="a local time that a change of the clock skipped is rejected, or "
            '(`"after"`) read by the clock before the change'
        ),
    ] = "reject"
    currency: Annotated[str | None, Meta(description="of money, where it is not the dataset's")] = (
        None
    )

    def formats(self) -> list[str]:
        """Return the formats of a time to try, in turn."""
        return [self.format] if isinstance(self.format, str) else self.format

    def columns(self) -> list[str]:
        """Return the names of the columns it reads."""
        if self.column is not None:
            return [self.column]
        return [name for name in _PART.findall(self.template or "") if name != "row"]

    def parts(self) -> list[tuple[str, str]]:
        """Return a template as (text, column after it); the last column may be empty."""
        pieces = _PART.split(self.template or "")
        return list(zip(pieces[::2], [*pieces[1::2], ""], strict=True))


Spec = str | Field


def as_field(spec: Spec) -> Field:
    """Return `spec` as a `Field`; a string names a column."""
    return Field(column=spec) if isinstance(spec, str) else spec
