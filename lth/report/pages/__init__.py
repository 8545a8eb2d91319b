"""Pages that open offline: of one replicate, of several seeds, of several questions."""
