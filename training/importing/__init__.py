"""Tables in someone else's schema become a canonical dataset, by a mapping."""
