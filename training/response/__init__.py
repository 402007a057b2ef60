"""The rate of response to contacts: what it is learnt from, and how well it is known."""
