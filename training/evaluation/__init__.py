"""Measure ranked lists against what customers turned to, and compare rankers."""
