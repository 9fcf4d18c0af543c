"""The sentence about machines that could not be had."""

from __future__ import annotations

from components.alicloud.trouble import LOOK_AGAIN, trouble


def refused(what: str, error: str, otherwise: str) -> str:
    """What could not be had, why, and what mends it.

    Args:
        what: such as `2 x ecs.g7.large in cn-hangzhou-h`.
        error: the provider's whole text.
        otherwise: the advice where the cloud's code says nothing better, as it does for stock.
    """
    found = trouble(error)
    advice = found.remedy or ("" if found.lost else otherwise)
    return f"{what} could not be had ({found.why}); what this run rented of them is given back; " + (
        f"{advice}; then run {LOOK_AGAIN}" if advice else f"run {LOOK_AGAIN}"
    )
