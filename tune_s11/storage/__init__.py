"""Stores results in a folder on a disk, which may be copied to object storage."""
