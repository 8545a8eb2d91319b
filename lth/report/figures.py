"""Figures."""
from pathlib import Path
def draw_replicate(folder, results, layers, curves):
    return {}
