"""Files as people have them become tables of raw columns: text of any dialect, JSON, Parquet."""
