"""Runs attempts in blocks of nodes that Parsl's HighThroughputExecutor holds."""
