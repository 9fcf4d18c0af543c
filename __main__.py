"""Tandem: from machines to an OpenAI-compatible URL that answers. Read stacks/inference.py next."""

import pulumi

from stacks import settings
from stacks.inference import deploy

for name, value in deploy(settings.load(), settings.api_key()).items():
    pulumi.export(name, value)
