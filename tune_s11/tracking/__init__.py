"""Sends a search to Weights & Biases or MLflow while it runs, with one run for each trial and refit.

A separate process reads the search's folder and sends what the tracker lacks, so a tracker that is slow, hangs or fails
costs the search nothing. Ray has callbacks for both trackers (``ray.air.integrations``), but they send one row per
report, although a report here has several epochs. They also create every run again in a resumed search, and do not
record whether a trial was pruned. ``MLflowLoggerCallback`` calls the server in the driver's loop, where an error ends
the search.
"""
