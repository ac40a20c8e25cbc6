"""Figures of the chapters on variational autoencoders."""
