"""What was computed: every training, under the hash of its question."""
