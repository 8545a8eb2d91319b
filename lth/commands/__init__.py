"""Commands that are no experiment, and need all the pieces put together."""
