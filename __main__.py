"""Tandem: from machines to an OpenAI-compatible URL that answers. Read stacks/deployment.py next."""

# ruff: noqa: E402  # an interrupt may come during the imports, which take their time, and less with large_stacks
from stacks.interrupted import end_quietly

end_quietly()

from stacks.large_stacks import settled, spare_large_graphs

spare_large_graphs()

import pulumi

from components.machine import shown
from stacks.changes import Changes
from stacks.deployment import deploy
from stacks.load_settings import load, named_secrets, secret
from stacks.measurements import report


async def main() -> pulumi.Inputs:
    """The stack's outputs."""
    settings, changes = load(), Changes()
    outputs = await deploy(
        settings,
        api_key=secret("apiKey"),
        api_keys=named_secrets("apiKeys"),
        tls_key=secret("tlsKey"),
        team_key=secret("teamKey"),
        team_salt_key=secret("teamSaltKey"),
        hub_token=secret("hubToken"),
        webui_password=secret("webuiPassword"),
        login_password=secret("monitoringPassword"),
        alert_receivers=named_secrets("alertReceivers"),
        registry_password=secret("registryPassword"),
        proxy_password=secret("proxyPassword"),
        key_passphrase=secret("sshKeyPassphrase"),
        sudo_password=secret("sudoPassword"),
    )
    with shown(f"{pulumi.get_project()}-{pulumi.get_stack()}"):
        await settled(outputs)
    return {**outputs, **await report(settings, outputs, changes)}


pulumi.run(main)
