"""The setting of a server that an import goes by, too: which identifiers mean nobody."""

from collections.abc import Mapping

import msgspec

from models.domain.input.nobody import Nobody, nobody
from models.errors import BadInput

VARIABLE = "THROUGHLINE_NOBODY_IDENTIFIERS"


def nobody_by_environment(variables: Mapping[str, str]) -> Nobody:
    """Return what means nobody, with the values of a JSON list in the environment.

    Raises `BadInput` naming the variable where it is no list of texts.
    """
    try:
        return nobody(msgspec.json.decode(variables.get(VARIABLE, "[]"), type=list[str]))
    except msgspec.MsgspecError:
        raise BadInput(VARIABLE, 'want a JSON list of texts, such as ["walk-in"]') from None
