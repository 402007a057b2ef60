"""Ranked lists measured against what customers turned to, beside other rankers."""
