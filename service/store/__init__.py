"""The store: one class over SQLite or Redis, opened by URL."""
