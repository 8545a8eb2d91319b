"""Page."""
def write_page(path, says, results, figures, config, seconds, trained):
    pass
