"""The stack's images: the configured ones, or stand-ins for those that cannot be had.

`ensure` brings every image on this machine and says where it came from. `resolve` tells a program that
deploys which image serves a part, without changing anything.
"""

from local.images.decisions import Part
from local.images.errors import ImageError
from local.images.supply import ConfiguredImages, ImageRow, ResolvedImage, build, ensure, resolve

__all__ = [
    "ConfiguredImages",
    "ImageError",
    "ImageRow",
    "Part",
    "ResolvedImage",
    "build",
    "ensure",
    "resolve",
]
