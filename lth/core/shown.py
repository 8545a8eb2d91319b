"""Text from anywhere as a terminal may show it: no control character, nothing that moves, recolours or reorders it.

Imports no torch.
"""


def shown(text: object, keep: str = "") -> str:
    r"""`text` with each character that is not printable as its escape, such as `\n` or `\x1b`; those in `keep` stay.

    >>> print(shown("red\x1b[31m\nline"))
    red\x1b[31m\nline
    """
    words = str(text)
    if words.isprintable():
        return words
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in words
    )


def brief(text: object, most: int = 60) -> str:
    """`text` as a message quotes it: shown, and at most about `most` characters of it.

    >>> brief("9" * 400, 8)
    '99999999...'
    """
    words = str(text)
    return shown(words[:most]) + ("..." if len(words) > most else "")
