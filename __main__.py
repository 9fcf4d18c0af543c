"""Tandem: from machines to an OpenAI-compatible URL that answers. Read stacks/inference.py next."""

import pulumi

from stacks import settings
from stacks.inference import deploy
from stacks.large import spare_large_graphs

spare_large_graphs()
outputs = deploy(settings.load(), api_key=settings.secret("apiKey"), hub_token=settings.secret("hubToken"))
for name, value in outputs.items():
    pulumi.export(name, value)
