"""Time zones that come in by name: as a customer's attribute, in a mapping, in a policy."""

from models.clock_time import has_zone_data, zone_named, zone_names
from models.domain.input.names import choices

NO_DATA = "no time zone data on this machine, only UTC is known; install the package tzdata"


def zone_fault(name: str) -> str:
    """Return what is wrong with the name of a time zone, and which may be meant."""
    if zone_named(name) is not None:
        return ""
    if not has_zone_data():
        return NO_DATA
    by_folded = {zone.lower(): zone for zone in zone_names()}
    same = by_folded.get(name.strip().lower().replace(" ", "_"))
    meant = f"; did you mean {same}?" if same else choices(name[:64], zone_names(), folded=False)
    return f"not a time zone{meant or '; want one such as Europe/Vienna'}"
