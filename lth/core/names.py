"""File names from values that may be anything: what a results.csv calls a setting is no path.

Imports no torch.
"""

import hashlib
import re
from collections.abc import Collection

SAFE = re.compile(r"[a-z0-9_][a-z0-9_-]{0,99}")
"""Names of one file in its folder, also where a file system does not tell capitals from small letters."""
RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{number}" for device in ("com", "lpt") for number in range(10))}
"""Names that Windows keeps for devices."""


def file_name(value: object, taken: Collection[str] = ()) -> str:
    """The name of a file or folder, without its ending, for `value`: itself where that is a plain name.

    Of anything else (a path, a line break, nothing at all, a long text, capitals) it is what is plain in it, with a
    hash; different values have different names. taken: names that something else there has.

    >>> file_name("id-conv2"), file_name("../victim"), file_name("figures", taken=["figures"])
    ('id-conv2', 'victim~18d36a5a94d8', 'figures~dc2e3999e6b3')
    """
    text = str(value)
    if SAFE.fullmatch(text) and text not in RESERVED and text not in taken:
        return text
    plain = re.sub(r"[^A-Za-z0-9]+", "_", text)[:60].strip("_")
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{plain or 'unnamed'}~{digest}"
