"""The projection into InfluxDB."""
