"""Images that hold what an engine needs: a ready one as it is, or one completed on each machine."""

from components.images.completed import BuildArgs, CompletedImage, complete_image, same_images
from components.images.needs import ImageNeeds

__all__ = ["BuildArgs", "CompletedImage", "ImageNeeds", "complete_image", "same_images"]
