"""What figures are drawn with, and those of one replicate."""
