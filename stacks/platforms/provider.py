"""The provider for the account."""

from __future__ import annotations

import pulumi_alicloud as alicloud

from components.alicloud.account import has_keys
from stacks.settings.cloud import CloudSettings


def provider_of(cloud: CloudSettings) -> alicloud.Provider:
    """Alibaba Cloud's own API, or another that says it is one."""
    account, at = has_keys(), cloud.endpoint
    endpoint = alicloud.ProviderEndpointArgs(ecs=at, vpc=at, nas=at, sts=at, location=at, bssopenapi=at)
    return alicloud.Provider(
        "alicloud",
        region=cloud.region,
        endpoints=[endpoint] if at else None,
        protocol="HTTP" if at else None,
        # Without these the provider asks the account for its kind before anything else.
        skip_region_validation=True if at or not account else None,
        account_type="Domestic" if at or not account else None,
        access_key=None if account else "preview",
        secret_key=None if account else "preview",
    )
