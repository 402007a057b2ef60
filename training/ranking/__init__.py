"""Stage two: candidates with their features, the trees that rank them, and their calibration."""
