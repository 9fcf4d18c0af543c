"""As many commands as COUNT says, and nothing else: what a resource costs by itself."""

import os

from pulumi_command import local

for number in range(int(os.environ["COUNT"])):
    local.Command(f"empty-{number}", create="true")
