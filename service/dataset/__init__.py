"""Datasets in and out of a store."""
