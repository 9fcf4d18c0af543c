"""A page to chat on, with accounts: Open WebUI before the gateway."""

from components.webui.login import Login
from components.webui.webui import WebUi, WebUiArgs

__all__ = ["Login", "WebUi", "WebUiArgs"]
