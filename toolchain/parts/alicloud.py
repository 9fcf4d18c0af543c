"""The alicloud plugin: our bridge in front of Alibaba Cloud's Terraform provider (6 minutes, 6.3 GB to build)."""

from __future__ import annotations

from toolchain.bridged_plugins import bridged_part

PART = bridged_part("alicloud", "github.com/aliyun/terraform-provider-alicloud")
