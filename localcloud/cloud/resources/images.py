"""Images."""

import re

from localcloud.cloud.actions import action
from localcloud.cloud.catalog import IMAGES, TYPES, Image
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.paging import page
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json

SIZE_GIB = 20
# Fields that DescribeImages has and DescribeImageFromFamily has not.
LISTED_ONLY = ("BootMode", "ImageOwnerId", "IsPublic", "LoginAsNonRootSupported", "OSNameEn", "ResourceGroupId")


@action("Ecs", "DescribeImages")
def describe_images(cloud: Cloud, params: Params) -> Json:
    """Public images by id, family, name, owner and system; newest first."""
    wanted, family, name = params.items("ImageId"), params.text("ImageFamily"), params.text("ImageName")
    owner, system = params.text("ImageOwnerAlias", "system"), params.text("OSType", "linux")
    architecture = params.text("Architecture", "x86_64")
    # Nobody here has an image of his own, shared or from the market.
    strange = any(name in params for name in ("ImageOwnerId", "ResourceGroupId", "SnapshotId")) or params.tags()
    found = [
        _shown(image)
        for image in sorted(IMAGES.values(), key=lambda image: image.created, reverse=True)
        if (not wanted or image.id in wanted)
        and family in ("", image.family)
        and (not name or re.search(re.escape(name).replace(r"\*", ".*"), image.id))
        and (owner, system, architecture) == ("system", "linux", "x86_64")
        and not strange
    ]
    return {**page(found, params, "Images", "Image"), "RegionId": cloud.settings.region}


@action("Ecs", "DescribeImageFromFamily")
def describe_image_from_family(cloud: Cloud, params: Params) -> Json:
    """The newest image of a family."""
    family = params.need("ImageFamily")
    fitting = [image for image in IMAGES.values() if image.family == family]
    if not fitting:
        return {}
    shown = _shown(max(fitting, key=lambda image: image.created))
    return {"Image": {field: value for field, value in shown.items() if field not in LISTED_ONLY}}


@action("Ecs", "DescribeImageSupportInstanceTypes")
def describe_image_support_instance_types(cloud: Cloud, params: Params) -> Json:
    """Types that can boot an image: all."""
    types = [
        {
            "InstanceTypeId": kind.id,
            "CpuCoreCount": kind.cpus,
            "MemorySize": kind.memory,
            "InstanceTypeFamily": kind.family,
        }
        for kind in TYPES.values()
    ]
    return {
        "RegionId": cloud.settings.region,
        "ImageId": params.text("ImageId"),
        "InstanceTypes": {"InstanceType": types},
    }


def _shown(image: Image) -> Json:
    return {
        "ImageId": image.id,
        "ImageName": image.id,
        "ImageFamily": image.family,
        "OSName": image.name,
        "OSNameEn": image.name,
        "OSType": "linux",
        "Platform": image.platform,
        "Architecture": "x86_64",
        "CreationTime": image.created,
        "Size": SIZE_GIB,
        "Status": "Available",
        "Usage": "instance",
        "Progress": "100%",
        "ImageOwnerAlias": "system",
        "ImageVersion": "",
        "IsPublic": True,
        "IsSelfShared": "",
        "IsSubscribed": False,
        "IsCopied": False,
        "IsSupportCloudinit": True,
        "IsSupportIoOptimized": True,
        "Description": image.name,
        "ProductCode": "",
        "ResourceGroupId": "",
        "BootMode": "UEFI-Preferred",
        "LoginAsNonRootSupported": False,
        "DiskDeviceMappings": {"DiskDeviceMapping": []},
        "Tags": {"Tag": []},
        "ImageOwnerId": 0,
    }
