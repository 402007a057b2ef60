"""Whether a release may take over from the one in force, by how both did on the same cases."""

from models.errors import BadRelease, Held
from models.release.gate import check_gate, check_label
from models.release.loader import read_manifest
from models.release.manifest import Manifest
from models.release.registry import Registry


def override_needed(registry: Registry, release_id: str, override: str = "") -> str:
    """Return the reason to record with a promotion: `override` where the gate holds it, else "".

    Raises `Held` where it does and no reason is given, `BadRelease` for a damaged comparison.
    """
    present = registry.pointer().release
    if present in ("", release_id):
        return ""
    before = _manifest(registry, present)
    if before is None or not before.metrics:
        return ""  # nobody knows how good it is
    try:
        check_label(read_manifest(registry.path(release_id)).label, before.label)
        check_gate(registry.compared(release_id, present))
    except Held:
        if not override:
            raise
        return override
    return ""


def _manifest(registry: Registry, release_id: str) -> Manifest | None:
    """Return what a release says of itself; None of one that cannot be read."""
    try:
        return read_manifest(registry.path(release_id))
    except BadRelease:
        return None
