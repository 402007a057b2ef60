"""Benchmarks of Throughline, each one command that prints how it measured."""
