"""The database of a fleet: Redis, or what speaks its protocol."""
