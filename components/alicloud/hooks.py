"""The cloud's errors in sentences: before anything is declared, and while the engine creates."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pulumi

from components.alicloud.api import Api, ApiError
from components.alicloud.errors import CloudError, Kind
from components.alicloud.leftovers import delete, leftovers

_ACCESS_GROUP = "alicloud:nas/accessGroup:AccessGroup"
"""What the account knows by the stack's own name: one that is there already came from a creation without an answer."""

Transformation = Callable[[pulumi.ResourceTransformationArgs], pulumi.ResourceTransformationResult | None]


@contextlib.contextmanager
def account_errors() -> Iterator[None]:
    """Turns what goes wrong while the account is asked into one sentence.

    Raises:
        pulumi.RunError: the account gave no answer.
    """
    try:
        yield
    except ApiError as error:
        raise pulumi.RunError(f"nothing was changed: {error}; then run `pulumi up` again") from None
    except pulumi.RunError:
        raise
    except Exception as error:
        # A data source of the provider fails with a bare Exception.
        found = CloudError.parse(str(error))
        remedy = f": {found.remedy}" if found.remedy else ""
        raise pulumi.RunError(
            f"nothing was changed: the account gave no answer ({found.reason}){remedy}; then run `pulumi up` again"
        ) from None


def error_hook(api: Callable[[], Api], stack: str) -> Transformation:
    """Adds a hook to every resource of the cloud that has none of its own.

    It says what mends a refusal, and deletes an access group that an earlier creation made without an answer.

    Args:
        api: the account.
        stack: the deployment's own name.
    """

    def failed(args: pulumi.ErrorHookArgs) -> bool:
        found = CloudError.parse(args.errors[0])
        exists = found.cause is not None and found.cause.kind is Kind.EXISTS
        if exists and args.failed_operation == "create" and len(args.errors) == 1:
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
            pulumi.log.error(f"{args.name} was not created ({found.reason}){cure} `pulumi up` again")
        return False

    if pulumi.runtime.is_dry_run():
        return lambda _: None
    hooks = pulumi.ResourceHookBinding(on_error=[pulumi.ErrorHook("alicloud-error", failed)])

    def add(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if (args.opts.hooks and args.opts.hooks.on_error) or not args.type_.startswith("alicloud:"):
            return None
        with_hooks = pulumi.ResourceOptions.merge(args.opts, pulumi.ResourceOptions(hooks=hooks))
        return pulumi.ResourceTransformationResult(args.props, with_hooks)

    return add
