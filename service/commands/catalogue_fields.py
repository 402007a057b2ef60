"""Which fields of items and offers a file changes, as `--fields` names them."""

from collections.abc import Mapping

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask

from models.errors import BadInput

ALL = "all"
SETS: Mapping[str, tuple[str, ...]] = {
    "price": ("price", "value", "price_until"),
    "stock": ("stock",),
}


def read_fields(text: str, message: Descriptor) -> FieldMask:
    """Read `all`, a set, or names of fields of `message` with commas between; of `all` no path."""
    if text == ALL:
        return FieldMask()
    if text in SETS:
        return FieldMask(paths=SETS[text])
    known = [field.name for field in message.fields if not field.name.endswith("_id")]
    names = [name for part in text.split(",") if (name := part.strip())]
    wrong = [name for name in names if name not in known]
    if wrong or not names or len(set(names)) < len(names):
        reason = f"unknown {', '.join(wrong)}; " if wrong else ""
        raise BadInput(
            "--fields", f"{reason}want {ALL}, {', '.join(SETS)}, or each once of {', '.join(known)}"
        )
    return FieldMask(paths=names)
