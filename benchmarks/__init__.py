"""Measurements and what they are run on; each folder answers one question."""
