"""What security groups mean for one machine."""

from localcloud.cloud.backend import Rule
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.wire import Json

Members = dict[str, list[str]]  # addresses by group

# Which rule comes first: the smaller priority, and of equal ones the drop (Alibaba's documentation of security groups).
POLICY_ORDER = {"Drop": 0, "Accept": 1}


def rules_of(cloud: Cloud, instance: Json) -> list[Rule]:
    """The machine's firewall by all its groups together, in order of evaluation."""
    return _rules(cloud, instance, _members(cloud))


def _rules(cloud: Cloud, instance: Json, members: Members) -> list[Rule]:
    found: list[tuple[int, int, Rule]] = []
    inner: list[Rule] = []
    for key in instance["SecurityGroupIds"]["SecurityGroupId"]:
        group = cloud.store.get("security_group", key)
        if group is None:
            continue
        for rule in group["_rules"]:
            peers = _peers(rule, members)
            if peers:
                order = (int(rule["Priority"]), POLICY_ORDER[rule["Policy"]])
                found.append((*order, _line(rule, peers)))
        if group["_inner"] == "Accept":
            inner.append(Rule(True, True, "all", None, tuple(members.get(key, ()))))
    return [*(line for *_, line in sorted(found, key=lambda item: item[:2])), *inner]


def apply_to(cloud: Cloud, vpc: str) -> None:
    """Gives every running machine of a VPC its rules anew: a group's members may be named by another's rules."""
    cloud.strangers.discard(vpc)
    members = _members(cloud)
    for instance in cloud.store.all("instance"):
        if instance["VpcAttributes"]["VpcId"] == vpc and instance["Status"] == "Running":
            cloud.backend.set_firewall(instance["InstanceId"], _rules(cloud, instance, members))


def _line(rule: Json, peers: tuple[str, ...]) -> Rule:
    first, last = (int(part) for part in rule["PortRange"].split("/"))
    ports = None if first < 0 else (first, last)
    return Rule(rule["Direction"] == "ingress", rule["Policy"] == "Accept", rule["IpProtocol"].lower(), ports, peers)


def _peers(rule: Json, members: Members) -> tuple[str, ...]:
    """CIDRs of the other end; none for IPv6 and prefix lists, which machines here do not have."""
    cidr = rule["SourceCidrIp"] or rule["DestCidrIp"]
    if cidr:
        return (cidr,)
    group = rule["SourceGroupId"] or rule["DestGroupId"]
    return tuple(members.get(group, ()))


def _members(cloud: Cloud) -> Members:
    members: Members = {}
    for instance in cloud.store.all("instance"):
        address = instance["VpcAttributes"]["PrivateIpAddress"]["IpAddress"][0]
        for group in instance["SecurityGroupIds"]["SecurityGroupId"]:
            members.setdefault(group, []).append(f"{address}/32")
    return members
