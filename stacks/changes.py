"""Whether this `up` has made or changed anything."""

from __future__ import annotations

import pulumi


class Changes:
    """What the engine has done so far, as hooks of all resources tell it; nothing in a preview.

    Attributes:
        any: a resource was created, replaced or updated. One that only went away does not count: it goes when the
            program has ended.
    """

    def __init__(self) -> None:
        """Watches every resource that is declared from now on."""
        self.any = False
        if pulumi.runtime.is_dry_run():
            return
        hook = pulumi.ResourceHook("tandem-changed", self._changed)
        self._hooks = pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(after_create=[hook], after_update=[hook]))
        pulumi.runtime.register_stack_transformation(self._watch)

    def _watch(self, args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
        return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, self._hooks))

    def _changed(self, _: pulumi.ResourceHookArgs) -> None:
        self.any = True
