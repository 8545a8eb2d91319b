"""What W&B shows: a replicate as it runs, verdicts over seeds, dashboards."""
