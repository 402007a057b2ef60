"""A heartbeat is of a server that answers, not of a process that has a thread left."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from throughline.v1 import event_pb2

from service.server.parent import Parent
from tests.support.in_process import event, recommend_request, running
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine

SILENT = 4.0  # seconds without a beat, where one would come every second


class Watching(Parent):
    """Counts the beats."""

    watches = True

    def __init__(self) -> None:
        self.beats = 0

    def alive(self) -> None:
        """Count one more."""
        self.beats += 1

    def within(self, seconds: float) -> int:
        """Return how many beats come in that time."""
        before = self.beats
        time.sleep(seconds)
        return self.beats - before


def test_it_beats_until_what_decides_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While calls that decide hang there is no beat; beside others that wait there is."""
    parent = Watching()
    leave = threading.Event()
    with running(tmp_path, parent=parent) as live:
        assert eventually(lambda: parent.beats >= 2)
        store = live.server.dependencies.store
        record, read = store.record, store.read

        def hang(then: Any) -> Any:
            return lambda *arguments: (leave.wait(PATIENCE), then(*arguments))[1]

        monkeypatch.setattr(store, "record", hang(record))
        request = live.client.events.RecordEvents
        waiting = request.future(
            event_pb2.RecordEventsRequest(events=[event("h1")]), timeout=PATIENCE
        )
        assert parent.within(SILENT) >= 2
        monkeypatch.setattr(store, "read", hang(read))
        asked = live.client.recommendations.Recommend
        hanging = asked.future(recommend_request("a"), timeout=PATIENCE)
        time.sleep(1.5)  # it is inside
        assert parent.within(SILENT) == 0
        leave.set()
        assert hanging.result().offers
        assert waiting.result().results[0].outcome.code == 0
        assert parent.within(SILENT) >= 2
