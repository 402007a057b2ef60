"""The demo: a simulated retailer, a real server, and one customer on every channel."""
