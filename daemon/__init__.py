"""The process that keeps till and books in step."""

__version__ = "0.1.0"
