"""Whether a release may take over from the one in force, by how both did on the same cases."""

from models.errors import BadRelease
from models.gate import Held, check_gate
from models.registry import Registry
from models.release import read_manifest


def checked(registry: Registry, release_id: str, override: str = "") -> str:
    """Return the reason to record with a promotion: `override` where the gate holds it, else "".

    Raises `Held` where it does and no reason is given, `BadRelease` for a damaged comparison.
    """
    present = registry.pointer().in_force
    if present is None or present.release == release_id:
        return ""
    if not _measured(registry, present.release):
        return ""  # nobody knows how good it is
    try:
        check_gate(registry.compared(release_id, present.release))
    except Held:
        if not override:
            raise
        return override
    return ""


def _measured(registry: Registry, release_id: str) -> bool:
    """Tell whether a release says how good it is; one that cannot be read does not."""
    try:
        return bool(read_manifest(registry.path(release_id)).metrics)
    except BadRelease:
        return False
