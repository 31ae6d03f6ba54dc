"""What runs beside a job: docs/runner.md is its contract. The standard library alone."""

TYPE_CHECKING = False
"""As in `typing`, which a runner on a cluster's node does without: what it imports, it pays for
with each job anew. Checkers of types take a name like this for true."""
