"""What is known: events, customers, the catalogue, decisions, and the dataset they come from."""
