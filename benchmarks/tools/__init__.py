"""Code that benchmarks share: recording files, processes, goals and tables."""
