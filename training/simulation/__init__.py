"""A retailer that does not exist: its catalogue, its customers, and what they do."""
