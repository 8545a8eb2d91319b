"""What a training learns: its loss, its metrics, and which of them decides."""
