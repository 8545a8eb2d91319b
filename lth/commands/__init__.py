"""Commands that are no experiments and use every part of the package."""
