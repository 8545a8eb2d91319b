"""Reference pages of the site, generated from what the code declares."""
