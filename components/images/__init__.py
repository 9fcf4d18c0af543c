"""Images that hold what an engine needs: a ready one as it is, or one completed on each machine."""

from components.images.complete_image import BuildArgs, complete_image, same_images
from components.images.requirements import ImageRequirements

__all__ = ["BuildArgs", "ImageRequirements", "complete_image", "same_images"]
