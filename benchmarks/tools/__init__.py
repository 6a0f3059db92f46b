"""Tools that benchmarks share: files of recordings, processes, goals and tables."""
