"""The only place that forks or waits."""
