"""InfluxDB, 1.8 and 2.x: writing, asking, and what both take."""
