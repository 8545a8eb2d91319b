"""What people see: tables, figures, the page, progress and W&B. All of it can be redrawn from a job's own files."""

import logging

# What they log is about fonts: that a cache is built, at the first import on a machine, and each glyph that goes into a
# PDF. A job shows what is logged.
for _library in ("matplotlib", "fontTools"):
    if logging.getLogger(_library).level == logging.NOTSET:
        logging.getLogger(_library).setLevel(logging.ERROR)
