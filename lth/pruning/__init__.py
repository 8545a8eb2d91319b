"""What to keep: masks, scores, exact selection and the schedule of levels."""
