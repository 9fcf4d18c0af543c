"""What becomes of a resource whose creation failed half-way."""

PARTIALLY_CREATED = ["#initerror"]
"""For `replace_on_changes`: the engine keeps such a resource with its error, and else the next `up` may call it good.

`#initerror` is the engine's own name for it (pkg/resource/deploy/step_generator.go, `initErrorSpecialKey`). A change in
place that failed counts too; `pulumi refresh` takes the mark away.
"""
