"""The ranker's features, a file for each group: what they are, and how they are computed."""
