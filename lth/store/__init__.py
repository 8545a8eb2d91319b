"""Trainings on disk, each under its fingerprint: read again, resumed, shared by processes."""
