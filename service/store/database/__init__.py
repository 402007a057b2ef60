"""What lies under a store: the verbs that a database must have, and where it is."""
