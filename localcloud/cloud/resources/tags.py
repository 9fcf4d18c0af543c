"""Tags of everything, by each product's own calls."""

from dataclasses import dataclass

from localcloud.cloud.actions import action
from localcloud.cloud.checks import new_tags
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import (
    Disk,
    Eip,
    FileSystem,
    Instance,
    KeyPair,
    NetworkInterface,
    RouteTable,
    SecurityGroup,
    Vpc,
    VSwitch,
)
from localcloud.cloud.model.document import Resource
from localcloud.cloud.paging import tagged
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, missing, not_found

LISTED = 50  # Alibaba's documentation of ECS: entries a page where the caller asks for no number
# What each product calls its kinds of resource, in lower case.
KINDS: dict[str, dict[str, type[Resource]]] = {
    "Ecs": {
        "instance": Instance,
        "disk": Disk,
        "securitygroup": SecurityGroup,
        "eni": NetworkInterface,
        "keypair": KeyPair,
    },
    "Vpc": {"vpc": Vpc, "vswitch": VSwitch, "routetable": RouteTable, "eip": Eip},
    "NAS": {"filesystem": FileSystem},
}


@dataclass(frozen=True)
class _Product:
    name: str

    def kind(self, params: Params) -> type[Resource]:
        wanted = params.need("ResourceType")
        kind = KINDS[self.name].get(wanted.lower())
        if kind is None:
            raise ApiError(400, "InvalidResourceType.NotFound", f"The resource type {wanted} does not exist.")
        return kind

    def tag(self, cloud: Cloud, params: Params) -> Json:
        tags = params.tags()
        if not tags:
            raise missing("Tag")
        for resource in self._resources(cloud, params):
            new_tags(params, resource.tags)
            resource.tags.update(tags)
            cloud.store.put(resource)
        return {}

    def untag(self, cloud: Cloud, params: Params) -> Json:
        keys = params.items("TagKey")
        for resource in self._resources(cloud, params):
            gone = resource.tags if params.flag("All") else keys
            resource.tags = {name: value for name, value in resource.tags.items() if name not in gone}
            cloud.store.put(resource)
        return {}

    def listed(self, cloud: Cloud, params: Params) -> Json:
        kind, wanted, fits = self.kind(params), params.items("ResourceId"), tagged(params)
        found = [
            {"ResourceType": params.text("ResourceType"), "ResourceId": each.key, "TagKey": name, "TagValue": value}
            for each in cloud.store.all(kind)
            if (not wanted or each.key in wanted) and fits(each)
            for name, value in each.tags.items()
        ]
        size = params.number("MaxResults", LISTED, 1)
        start = params.number("NextToken", 0, 0)
        following = str(start + size) if start + size < len(found) else ""
        return {"NextToken": following, "TagResources": {"TagResource": found[start : start + size]}}

    def _resources(self, cloud: Cloud, params: Params) -> list[Resource]:
        kind, keys = self.kind(params), params.items("ResourceId")
        if not keys:
            raise missing("ResourceId")
        found = []
        for key in keys:
            resource = cloud.store.get(kind, key)
            if resource is None:
                raise not_found("InvalidResourceId.NotFound", f"{params.text('ResourceType')} {key}")
            found.append(resource)
        return found


for _name in KINDS:
    _product = _Product(_name)
    action(_name, "TagResources")(_product.tag)
    action(_name, "UntagResources", *(["UnTagResources"] if _name != "NAS" else []))(_product.untag)
    action(_name, "ListTagResources")(_product.listed)


@action("Ecs", "DescribeTags")
def describe_tags(cloud: Cloud, params: Params) -> Json:
    """Tags of one resource, or all there are: what the data source of images asks for each image."""
    wanted = params.text("ResourceId")
    found = [
        {"TagKey": name, "TagValue": value, "ResourceTypeCount": {}}
        for kind in KINDS["Ecs"].values()
        for each in cloud.store.all(kind)
        if wanted in ("", each.key)
        for name, value in each.tags.items()
    ]
    return {"TotalCount": len(found), "PageNumber": 1, "PageSize": 50, "Tags": {"Tag": found}}
