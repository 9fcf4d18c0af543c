"""What security groups mean for one machine."""

from localcloud.cloud.backend import Rule
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import Instance, SecurityGroup, SecurityRule

Members = dict[str, list[str]]  # addresses by group

# Which rule comes first: the smaller priority, and of equal ones the drop (Alibaba's documentation of security groups).
POLICY_ORDER = {"Drop": 0, "Accept": 1}


def rules_of(cloud: Cloud, instance: Instance) -> list[Rule]:
    """The machine's firewall by all its groups together, in order of evaluation."""
    return _rules(cloud, instance, _members(cloud))


def _rules(cloud: Cloud, instance: Instance, members: Members) -> list[Rule]:
    found: list[tuple[int, int, Rule]] = []
    inner: list[Rule] = []
    for key in instance.security_groups:
        group = cloud.store.get(SecurityGroup, key)
        if group is None:
            continue
        for rule in group.rules:
            peers = _peers(rule, members)
            if peers:
                order = (int(rule.priority), POLICY_ORDER[rule.policy])
                found.append((*order, _line(rule, peers)))
        if group.inner_policy == "Accept":
            inner.append(Rule(True, True, "all", None, tuple(members.get(key, ()))))
    return [*(line for *_, line in sorted(found, key=lambda item: item[:2])), *inner]


def apply_to(cloud: Cloud, vpc: str) -> None:
    """Gives every running machine of a VPC its rules anew: a group's members may be named by another's rules."""
    cloud.changed_vpcs.discard(vpc)
    members = _members(cloud)
    for instance in cloud.store.all(Instance):
        if instance.vpc_id == vpc and instance.status == "Running":
            cloud.backend.set_firewall(instance.instance_id, _rules(cloud, instance, members))


def _line(rule: SecurityRule, peers: tuple[str, ...]) -> Rule:
    first, last = (int(part) for part in rule.port_range.split("/"))
    ports = None if first < 0 else (first, last)
    return Rule(rule.direction == "ingress", rule.policy == "Accept", rule.ip_protocol.lower(), ports, peers)


def _peers(rule: SecurityRule, members: Members) -> tuple[str, ...]:
    """CIDRs of the other end; none for IPv6 and prefix lists, which machines here do not have."""
    cidr = rule.source_cidr_ip or rule.dest_cidr_ip
    if cidr:
        return (cidr,)
    group = rule.source_group_id or rule.dest_group_id
    return tuple(members.get(group, ()))


def _members(cloud: Cloud) -> Members:
    members: Members = {}
    for instance in cloud.store.all(Instance):
        address = instance.address
        for group in instance.security_groups:
            members.setdefault(group, []).append(f"{address}/32")
    return members
