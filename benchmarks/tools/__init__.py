"""What benchmarks share: files of recordings, processes, goals, tables."""
