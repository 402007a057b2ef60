"""One process that serves: its life from settings to drain."""
