"""One page about a deployment: what was planned, what happened, what it does and what it costs."""
