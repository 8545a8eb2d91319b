"""What a ticket is worth: counts, FLOPs, sizes, latency; exported, quantised, shrunk."""
