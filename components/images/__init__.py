"""Images that hold what an engine needs: a ready one as it is, or one completed on each machine."""

from components.images.completed import BuildArgs, completion, same_images
from components.images.needs import ImageNeeds

__all__ = ["BuildArgs", "ImageNeeds", "completion", "same_images"]
