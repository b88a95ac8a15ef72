"""Tables as files: CSV and Parquet."""
