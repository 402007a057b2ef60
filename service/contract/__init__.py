"""The contract with callers: its limits, names, errors, and its messages to and from the domain."""
