"""What may be a name: of a channel, a type of event, a placement, a group, a rule."""

import re

DEFAULT_PREFIX = "item:"  # in front of an item's id: the id of the offer that every item has
NAME_BYTES = 64
_NAME = re.compile(rf"[a-z][a-z0-9_]{{0,{NAME_BYTES - 1}}}")


def is_name(text: str) -> bool:
    """Tell whether `text` is a name: lower-case letters, digits and _, a letter first."""
    return _NAME.fullmatch(text) is not None
