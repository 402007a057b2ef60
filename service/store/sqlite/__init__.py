"""The embedded database: SQLite in a directory of one machine."""
