"""Exercises on variational autoencoders, one file a chapter."""

__all__: list[str] = []
