"""What the rest is built on: randomness by address, atomic files, state dicts and masks, tables, registries, errors."""
