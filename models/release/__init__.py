"""A trained release: its files, how it is verified, and which one is in force."""
