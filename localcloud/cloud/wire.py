"""The wire's own form of things: JSON objects, and names in capitals."""

from typing import Any

Json = dict[str, Any]

# Parts of names that the wire writes in another way than with one capital.
SPELLED = {
    "vswitch": "VSwitch",
    "vrouter": "VRouter",
    "os": "OS",
    "gpu": "GPU",
    "isp": "ISP",
    "hd": "HD",
    "rw": "RW",
}


def wire_name(name: str) -> str:
    """The wire's name for a field: `vswitch_id` is VSwitchId."""
    return "".join(SPELLED.get(word, word.capitalize()) for word in name.split("_"))
