"""What all else stands on: randomness by address, atomic files, state dicts and masks as data."""
