"""The promises, held to under faults: see docs/guarantees.md."""
