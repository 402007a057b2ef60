"""Opponents: the rankers that a release has to beat, each with settings chosen before the test."""
