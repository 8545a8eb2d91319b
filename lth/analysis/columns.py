"""Columns that several tables of measurements have. Imports no torch."""

from lth.core.tables import Column


def distance_columns(l2: str, cosine: str, meaning: str) -> tuple[Column, Column]:
    """The columns, called `l2` and `cosine`, of what `lth.analysis.geometry.distances_to` gives; meaning: of the first.

    >>> [column.name for column in distance_columns("l2", "cosine", "the L2 distance")]
    ['l2', 'cosine']
    """
    angle = "1 - the cosine of the angle between the two"
    return (
        Column(l2, float, "", meaning, at_least=0, finite=False),
        Column(cosine, float, "", angle, at_least=-1e-3, at_most=2.001, finite=False),  # rounding leaves 0 to 2
    )
