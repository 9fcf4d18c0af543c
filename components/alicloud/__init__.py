"""Alibaba Cloud: network, storage and machines as components, and what the provider can't do by itself.

Nothing is imported here: `python -m components.alicloud` starts without Pulumi.
"""
