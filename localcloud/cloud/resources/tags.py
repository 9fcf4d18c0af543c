"""Tags of everything, by each product's own calls."""

from collections.abc import Iterator
from dataclasses import dataclass

from localcloud.cloud.actions import action
from localcloud.cloud.answers import tagged
from localcloud.cloud.checks import new_tags
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, missing, not_found

LISTED = 50  # Alibaba's documentation of ECS: entries a page where the caller asks for no number
# The store's kinds by what each product calls them, in lower case.
KINDS = {
    "Ecs": {
        "instance": "instance", "disk": "disk", "securitygroup": "security_group", "eni": "network_interface",
        "keypair": "key_pair",
    },
    "Vpc": {"vpc": "vpc", "vswitch": "vswitch", "routetable": "route_table", "eip": "eip"},
    "NAS": {"filesystem": "file_system"},
}  # fmt: skip


@dataclass(frozen=True)
class _Product:
    name: str

    def kind(self, params: Params) -> str:
        wanted = params.need("ResourceType")
        kind = KINDS[self.name].get(wanted.lower())
        if kind is None:
            raise ApiError(400, "InvalidResourceType.NotFound", f"The resource type {wanted} does not exist.")
        return kind

    def tag(self, cloud: Cloud, params: Params) -> Json:
        tags = params.tags()
        if not tags:
            raise missing("Tag")
        for kind, key, document in self._resources(cloud, params):
            new_tags(params, document["_tags"])
            document["_tags"].update(tags)
            cloud.store.put(kind, key, document)
        return {}

    def untag(self, cloud: Cloud, params: Params) -> Json:
        keys = params.items("TagKey")
        for kind, key, document in self._resources(cloud, params):
            gone = document["_tags"] if params.flag("All") else keys
            document["_tags"] = {name: value for name, value in document["_tags"].items() if name not in gone}
            cloud.store.put(kind, key, document)
        return {}

    def listed(self, cloud: Cloud, params: Params) -> Json:
        kind, wanted, fits = self.kind(params), params.items("ResourceId"), tagged(params)
        found = [
            {"ResourceType": params.text("ResourceType"), "ResourceId": key, "TagKey": name, "TagValue": value}
            for key in cloud.store.keys(kind)
            if not wanted or key in wanted
            for document in [cloud.store.get(kind, key) or {}]
            if fits(document)
            for name, value in document["_tags"].items()
        ]
        size = params.number("MaxResults", LISTED, 1)
        start = params.number("NextToken", 0, 0)
        following = str(start + size) if start + size < len(found) else ""
        return {"NextToken": following, "TagResources": {"TagResource": found[start : start + size]}}

    def _resources(self, cloud: Cloud, params: Params) -> Iterator[tuple[str, str, Json]]:
        kind, keys = self.kind(params), params.items("ResourceId")
        if not keys:
            raise missing("ResourceId")
        for key in keys:
            if cloud.store.get(kind, key) is None:
                raise not_found("InvalidResourceId.NotFound", f"{params.text('ResourceType')} {key}")
        return ((kind, key, cloud.store.get(kind, key) or {}) for key in keys)


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
        for key in cloud.store.keys(kind)
        if wanted in ("", key)
        for name, value in (cloud.store.get(kind, key) or {}).get("_tags", {}).items()
    ]
    return {"TotalCount": len(found), "PageNumber": 1, "PageSize": 50, "Tags": {"Tag": found}}
