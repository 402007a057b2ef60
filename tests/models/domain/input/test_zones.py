"""Time zones by name: what is one, what is told of what is none, and a machine without data."""

import os
import subprocess
import sys

import pytest

from models.clock_time import zone_named
from models.domain.input.zones import zone_fault
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    "name",
    ["UTC", "Europe/Vienna", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "GMT", "EST5EDT"],
)
def test_zones(name: str) -> None:
    """A name of the database is a zone, and nothing is told of it."""
    assert zone_named(name) is not None
    assert zone_fault(name) == ""


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("america/new_york", "not a time zone; did you mean America/New_York?"),
        ("America/New York", "not a time zone; did you mean America/New_York?"),
        ("Europe/Vienne", "not a time zone; did you mean Europe/Vienna?"),
        ("utc", "not a time zone; did you mean UTC?"),
        ("Mars/Phobos 1", "not a time zone; want one such as Europe/Vienna"),
        ("", "not a time zone; want one such as Europe/Vienna"),
        ("../../etc/passwd", "not a time zone; want one such as Europe/Vienna"),
        ("a\0b", "not a time zone; want one such as Europe/Vienna"),
    ],
)
def test_what_is_no_zone(name: str, told: str) -> None:
    """What is no zone is never taken for another: it is told, with the nearest that there is."""
    assert zone_named(name) is None
    assert zone_fault(name) == told


@pytest.mark.parametrize("name", ["UTC-5", "CET+1", "GMT+1", "localtime", "right/UTC", "posix/GMT"])
def test_what_seems_a_zone(name: str) -> None:
    """An offset behind a zone is none, nor are the files of a machine that count leap seconds."""
    assert zone_named(name) is None
    assert zone_fault(name).startswith("not a time zone; ")


WITHOUT_DATA = """
import sys
sys.modules["tzdata"] = None  # as if it were not installed
from models.clock_time import has_zone_data, local, zone_named
from models.domain.catalogue import Catalogue
from models.domain.input.zones import zone_fault
from models.domain.view import view_of
from models.policy.schema import Contact, QuietHours
from models.policy.windows import quiet_until, window_of, zone_of

assert not has_zone_data()
zone = zone_of(view_of([]), Contact())
assert window_of(86_400_000_000 * 3 // 2, "day", zone) == (86_400_000_000, 86_400_000_000 * 2)
assert local(0, zone).isoformat() == "1970-01-01T00:00:00+00:00"
assert zone_fault("UTC") == ""
print(zone_fault("Europe/Vienna"))
"""


def test_a_machine_without_data() -> None:
    """Without any time zone data UTC is a zone, and of every other it is said what is missing."""
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_DATA],
        cwd=ROOT,
        env={**os.environ, "PYTHONTZPATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.strip() == (
        "no time zone data on this machine, only UTC is known; install the package tzdata"
    )
