"""What a probe, Prometheus or a person fetches."""
