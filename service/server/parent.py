"""What a process that serves tells who started it."""


class Parent:
    """Who started this process, and wants to know nothing; a worker's parent wants to."""

    watches = False  # whether it wants to know that the process is alive

    def ready(self, deciding: bool) -> None:
        """Tell that the server answers; `deciding`: by a release."""

    def alive(self) -> None:
        """Tell that it still answers."""

    def leaving(self) -> None:
        """Tell that it is about to end."""


NOBODY = Parent()
