"""Virtual keys, budgets, rate limits and usage for a team: LiteLLM's proxy and its PostgreSQL, beside the gateway."""

from components.team.litellm import Price, ProxyConfig
from components.team.team import Team, TeamArgs

__all__ = ["Price", "ProxyConfig", "Team", "TeamArgs"]
