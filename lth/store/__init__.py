"""Every training under its fingerprint: found again, resumed, shared by processes."""
