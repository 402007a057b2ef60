"""A training run: its configuration, its pipeline over both stages, its release and its report."""
