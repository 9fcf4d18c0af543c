"""Security groups stay as they were declared: a rule added by hand is told at preview and taken away at `up`."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.alicloud.api import Api
from components.alicloud.doors import Stranger, as_words, groups, strangers
from components.alicloud.network import Network
from components.machine import run_here


def watch_doors(
    network: Network,
    *,
    api: Api | None,
    stack: str,
    call: Mapping[str, pulumi.Input[object]],
    command: str,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    """Declares the step that takes away rules nobody declared, of the network's own groups only.

    The provider knows a rule by what it says, so one that it did not make is in no state and no refresh finds it.
    The step runs at the first `up`, and whenever this program sees such a rule: a warning says which.

    Args:
        network: whose groups; groups that were adopted are not among them.
        api: where to look now; None doesn't look.
        stack: the deployment's own name, the groups' tag.
        call: region, endpoint and so on, for the command.
        command: what runs `python -m components.alicloud`.
        opts: Pulumi options.
    """
    found: list[Stranger] = []
    if api:
        for name, group in groups(api, stack, network.doors).items():
            found += strangers(api, group, network.doors[name][1])
    for each in found:
        pulumi.log.warn(
            f"{each} is not declared: `pulumi up` takes it away; to keep such a way in, name it in cloud.adminCidrs or "
            "gateway.allowedCidrs"
        )
    declared = [{"group": group, "doors": as_words(doors)} for group, doors in network.doors.values()]
    return run_here(
        "doors",
        call={**call, "declared": declared, "found": [each.id for each in found]},
        create=f"{command} close",
        opts=pulumi.ResourceOptions.merge(
            opts,
            # Rule ids are never used again: another rule is another call. Without one, what was asked last stays.
            pulumi.ResourceOptions(depends_on=[network], ignore_changes=[] if found else ["create", "stdin"]),
        ),
    )
