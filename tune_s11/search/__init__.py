"""Runs a search on Ray: cluster, range test, trials, finalists, refits.

Nothing is imported here, because each worker imports this package and must not load what only the driver needs.
"""
