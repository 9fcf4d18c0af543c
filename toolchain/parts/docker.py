"""The docker plugin: our bridge in front of kreuzwerker's Terraform provider (2 minutes, 1.2 GB to build)."""

from __future__ import annotations

from toolchain.bridged_plugins import bridged_part

# The name that the provider's own go.mod has; upstream/docker/go.mod says where it really is.
PART = bridged_part("docker", "github.com/terraform-providers/terraform-provider-docker")
