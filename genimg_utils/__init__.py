"""Layers, losses, steps and plumbing that the chapters of the course share; importing it does nothing."""

__version__ = "0.1.0"
