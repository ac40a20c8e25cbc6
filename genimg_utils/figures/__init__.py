"""The figures that need more than a short cell, one file a part of the course: arrays in, Figure out."""

from genimg_utils.figures import cyclegan, gan, judging, outlook, speed, start, vae

__all__ = ["cyclegan", "gan", "judging", "outlook", "speed", "start", "vae"]
