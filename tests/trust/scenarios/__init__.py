"""Scenarios by what does the harm; each a function of a `Trial` and of how often to do it."""
