"""Signals as something to wait for, one after the other, rather than something that interrupts.

What is done on SIGTERM stands in `lifecycle.run`, and with several workers in the supervisor.
"""

import os
import select
import signal


class ProcessSignals:
    """Takes over signals of this process: each comes out of `wait`, in the order they came in.

    To be made by the main thread, once in a process. The system may give a signal to any thread,
    and Python runs handlers in the main thread only, which would wait on, as nothing woke it. So
    the byte in the pipe that `wait` reads is not written by a handler but by Python's own, in the
    thread that got the signal.
    """

    def __init__(self, *numbers: signal.Signals) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        for number in numbers:
            signal.signal(number, lambda number, frame: None)
        signal.set_wakeup_fd(self._write)

    def fileno(self) -> int:
        """Return what is readable when a signal has come."""
        return self._read

    def send(self, number: signal.Signals) -> None:
        """Let a signal come out of `wait` as if this process had got it; from any thread."""
        os.write(self._write, bytes((number,)))

    def wait(self, seconds: float | None = None) -> signal.Signals | None:
        """Return the next signal; None when none has come in that time."""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        if not poll.poll(None if seconds is None else seconds * 1000):
            return None
        return signal.Signals(os.read(self._read, 1)[0])
