"""The one error of this package."""


class MachinesError(Exception):
    """A machine, network, share or image cannot be had; the message is one sentence with cause and remedy."""
