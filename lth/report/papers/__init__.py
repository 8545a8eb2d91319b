"""The figures of papers, named as in the paper."""
