"""Looks inside a network that change nothing."""
