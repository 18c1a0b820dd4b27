"""Looking at finished records: inspect, verify, pick."""
