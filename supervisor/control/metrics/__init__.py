"""The metrics endpoint: a projection of snapshot, counters and usage, made at each scrape.

Owns: the names, labels and texts of the metrics (`scrape`), and the two text formats (`exposition`).
In: the container's snapshot and counters. Out: Prometheus text or OpenMetrics. Nothing is counted here.
"""
