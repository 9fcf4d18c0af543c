"""The addresses at which machines are known outside."""

import ipaddress

from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import Eip, Instance
from localcloud.errors import ApiError


def free_public_address(cloud: Cloud, other_than: str = "") -> str:
    """A free public address; the network's first is this host's. A released one, `other_than`, is somebody else's now.

    Raises:
        ApiError: none is left.
    """
    used = {eip.ip_address for eip in cloud.store.all(Eip)}
    used |= {instance.public_address for instance in cloud.store.all(Instance)}
    hosts = ipaddress.IPv4Network(cloud.settings.public_network).hosts()
    next(hosts)
    for address in hosts:
        if str(address) not in used and str(address) != other_than:
            return str(address)
    raise ApiError(400, "QuotaExceeded.Eip", "No public address is left.")
