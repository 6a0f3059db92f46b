"""Runs a search on Ray: cluster, range test, trials, finalists, refits.

Nothing is imported here, because each worker imports this package, and need not know of what only the driver uses.
"""
