"""Numbers that are the same on every machine: fixed point, compiled loops, draws."""
