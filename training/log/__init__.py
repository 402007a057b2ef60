"""The log of a dataset: its tables, its customers with their events in order, their profiles."""
