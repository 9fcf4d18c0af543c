"""Ray over all hosts: a head, workers, and a count before anything loads."""

from components.ray.cluster import RayCluster, RayPorts

__all__ = ["RayCluster", "RayPorts"]
