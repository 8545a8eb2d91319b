"""`python -m lth`: the same as the console script `lth`."""

from lth.cli import main

main()
