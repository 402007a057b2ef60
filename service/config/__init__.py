"""What a process is told from outside, and how it reports: settings, keys, clock, logs."""
