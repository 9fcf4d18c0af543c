"""Refusals of what is no machine: told with their remedy, or mended."""

from __future__ import annotations

from collections.abc import Callable

import pulumi

from components.alicloud.api import Api
from components.alicloud.leftovers import delete, leftovers
from components.alicloud.trouble import trouble

_ACCESS_GROUP = "alicloud:nas/accessGroup:AccessGroup"
"""What the account knows by the stack's own name: one that is there already came from a creation without an answer."""

Transformation = Callable[[pulumi.ResourceTransformationArgs], pulumi.ResourceTransformationResult | None]


def mended(api: Callable[[], Api], stack: str) -> Transformation:
    """Adds a hook to every resource of the cloud that has none of its own.

    Args:
        api: the account.
        stack: the deployment's own name.
    """

    def failed(args: pulumi.ErrorHookArgs) -> bool:
        found = trouble(args.errors[0])
        if "AlreadyExist" in found.why and args.failed_operation == "create" and len(args.errors) == 1:
            kind = (args.new_inputs or {}).get("fileSystemType", "standard")
            mine = [
                each
                for each in leftovers(api(), stack)
                if args.type == _ACCESS_GROUP and (each.kind, each.name) == ("access group", kind)
            ]
            delete(api(), stack, mine, pulumi.log.warn)
            return bool(mine)
        if found.remedy or found.lost:
            cure = f": {found.remedy}; then run" if found.remedy else "; run"
            pulumi.log.error(f"{args.name} could not be had ({found.why}){cure} `pulumi up` again")
        return False

    if pulumi.runtime.is_dry_run():
        return lambda _: None
    hooks = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("mended", failed)])

    def add(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if (args.opts.hooks and args.opts.hooks.on_error) or not args.type_.startswith("alicloud:"):
            return None
        with_hooks = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformationResult(args.props, with_hooks)

    return add
