"""How long a test waits for what must happen: far longer than it takes, as a machine may be busy.

A test of how fast something is says its own limit instead.
"""

PATIENCE = 240.0  # seconds
