"""The one place that says which release this is; the build reads it too."""

__version__ = "2.0.0.dev0"
