"""What runs beside a job: docs/runner.md is its contract. The standard library alone."""
