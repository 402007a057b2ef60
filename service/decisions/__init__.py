"""Deciding for callers: with the release in force, once or again, and kept with what it takes."""
