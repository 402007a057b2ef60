"""The decision: a pure function, in stages, that can be made again from its record."""
