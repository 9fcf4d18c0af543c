"""Security groups stay as they were declared: a rule added by hand is shown at preview and revoked at `up`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pulumi

from components.alicloud.network import FRONT, INSIDE, Network, NetworkArgs
from components.alicloud.security_rules import UndeclaredRule, as_data
from components.machine import local_command


def watch_security_rules(
    network: Network,
    args: NetworkArgs,
    *,
    found: Sequence[UndeclaredRule],
    call: Mapping[str, pulumi.Input[object]],
    command: str,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Declares the step that revokes rules that nobody declared, of the network's own groups only.

    The provider knows a rule by what it says, so one that it did not make is in no state and no refresh finds it.
    The step runs at the first `up`, and whenever this program sees such a rule: a warning says which.

    Args:
        network: whose groups; groups that were adopted are not among them.
        args: what the network was declared with.
        found: rules that stand beside the declared ones now (`security_rules.find_undeclared`).
        call: region, endpoint and so on, for the command.
        command: what runs `python -m components.alicloud`.
        opts: Pulumi options.
    """
    for each in found:
        pulumi.log.warn(
            f"{each} is not declared: `pulumi up` revokes it; to keep such a way in, name it in cloud.adminCidrs or "
            "gateway.allowedCidrs"
        )
    rules = args.rules()
    declared = [
        {"group": id_, "rules": as_data(rules[f"{args.stack}-{group}"])}
        for group, id_ in ((INSIDE, network.inside), (FRONT, network.front))
    ]
    return local_command(
        "security-rules",
        call={**call, "declared": declared, "found": [each.id for each in found]},
        create=f"{command} revoke",
        opts=pulumi.ResourceOptions.merge(
            opts,
            # Rule ids are never used again: another rule is another call. Without one, what was asked last stays.
            pulumi.ResourceOptions(depends_on=[network], ignore_changes=[] if found else ["create", "stdin"]),
        ),
    )
