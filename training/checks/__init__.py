"""Checks of data that fools: what trains and measures well, and is not what it says."""
