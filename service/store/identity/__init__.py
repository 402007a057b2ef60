"""Which store a database holds: known by its identity, and by how far it has come."""
