"""Where results lie: a folder on a disk, or one that is copied to object storage."""
