"""What several seeds show: gathered, with intervals, differences and verdicts."""
