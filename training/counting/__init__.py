"""What is counted from a log: interactions, item tables, shares by segment, trends."""
