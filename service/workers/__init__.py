"""Several worker processes under one parent."""
