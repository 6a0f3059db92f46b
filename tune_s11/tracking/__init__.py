"""Weights & Biases and MLflow: a run for each trial and refit of a search, sent from its folder while it grows.

A process of its own reads the folder and sends what the tracker lacks, so that a tracker that is slow, hangs or fails
costs the search nothing. Ray has callbacks for both trackers (``ray.air.integrations``); they send one row a report
where a report here has several epochs, start every run anew in a resumed search, do not say whether a trial was pruned,
and ``MLflowLoggerCallback`` calls the server in the driver's loop, whose errors end the search.
"""
