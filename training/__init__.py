"""Offline: read the log, make examples, fit, evaluate, and write a release."""
