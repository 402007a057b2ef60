"""Which fields of a message an update changes: those that its mask names, or all."""

from collections.abc import Collection

from google.protobuf.field_mask_pb2 import FieldMask

from service.contract.validation import Check


def read_mask(check: Check, mask: FieldMask, fields: Collection[str]) -> tuple[str, ...]:
    """Return the paths of `update_mask`, each one of `fields`; () for none, which means all."""
    first: dict[str, int] = {}
    for at, path in enumerate(mask.paths[: len(fields) + 1]):
        before = first.setdefault(path, at)
        if path not in fields:
            wanted = ", ".join(fields)
            check.add_violation(f"update_mask.paths[{at}]", f"unknown; want one of {wanted}")
        elif before != at:
            check.add_violation(
                f"update_mask.paths[{at}]", f"duplicate of update_mask.paths[{before}]"
            )
    return tuple(first)
