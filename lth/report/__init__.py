"""What people see: tables, figures, the page, progress and W&B. All of it can be redrawn from a job's own files."""
