"""Settings that hold together: executor and split chosen, and every rule between sections, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stacks.settings.errors import Mistake
from stacks.settings.executor import choose_executor
from stacks.settings.rules.arguments import argument_mistakes, own_key_mistakes
from stacks.settings.rules.devices import device_mistakes
from stacks.settings.rules.engine import engine_mistakes, image_mistakes, split_mistakes
from stacks.settings.rules.features import feature_mistakes
from stacks.settings.rules.firewall import firewall_mistakes
from stacks.settings.rules.gateway import gateway_mistakes
from stacks.settings.rules.monitoring import monitoring_mistakes
from stacks.settings.rules.native import runtime_mistakes
from stacks.settings.rules.platform import access_mistakes, duplicate_mistakes, platform_mistakes
from stacks.settings.rules.ports import port_mistakes
from stacks.settings.rules.repositories import repository_mistakes
from stacks.settings.stack import Settings
from stacks.split import with_split

Rule = Callable[[Settings], Iterator[Mistake]]
BEFORE_SPLIT: tuple[Rule, ...] = (
    feature_mistakes,
    argument_mistakes,
    device_mistakes,
    runtime_mistakes,
    repository_mistakes,
    platform_mistakes,
    access_mistakes,
    duplicate_mistakes,
)
"""In order: each may count on those before it, none on executor and split."""

AFTER_SPLIT: tuple[Rule, ...] = (
    argument_mistakes,
    split_mistakes,
    engine_mistakes,
    image_mistakes,
    own_key_mistakes,
    gateway_mistakes,
    monitoring_mistakes,
    firewall_mistakes,
    port_mistakes,
)
"""The same, with executor and split."""


def checked(settings: Settings) -> Settings:
    """The same settings with their executor and split, which only machines, model and image together tell.

    Raises:
        Mistake: of the first rule that does not hold.
    """
    for rule in BEFORE_SPLIT:
        for mistake in rule(settings):
            raise mistake
    settings = with_split(settings)
    if settings.serving.executor is None:
        serving = settings.serving.model_copy(update={"executor": choose_executor(settings)})
        settings = settings.model_copy(update={"serving": serving})
    for rule in AFTER_SPLIT:
        for mistake in rule(settings):
            raise mistake
    return settings
