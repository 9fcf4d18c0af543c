"""Tandem: from machines to an OpenAI-compatible URL that answers. Read stacks/deployment.py next."""

# ruff: noqa: E402  # an interrupt may come during the imports, which take their time
from stacks.interrupted import end_quietly

end_quietly()

import pulumi

from stacks import settings
from stacks.deployment import deploy
from stacks.large import settled, spare_large_graphs


async def main() -> pulumi.Inputs:
    """The stack's outputs."""
    spare_large_graphs()
    outputs = deploy(
        settings.load(),
        api_key=settings.secret("apiKey"),
        hub_token=settings.secret("hubToken"),
        webui_password=settings.secret("webuiPassword"),
        registry_password=settings.secret("registryPassword"),
        proxy_password=settings.secret("proxyPassword"),
        key_passphrase=settings.secret("sshKeyPassphrase"),
        sudo_password=settings.secret("sudoPassword"),
    )
    await settled(outputs)
    return outputs


pulumi.run(main)
