"""Customers over any database: who is who, their events, and the links between them."""
