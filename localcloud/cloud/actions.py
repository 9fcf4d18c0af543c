"""The table of actions: which function answers which call."""

from collections.abc import Callable

from localcloud.cloud.cloud import Cloud
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json

Handler = Callable[[Cloud, Params], Json]

# Product by API version: an RPC call names its version, and no two products here share one.
PRODUCTS = {
    "2014-05-26": "Ecs",
    "2016-04-28": "Vpc",
    "2017-06-26": "NAS",
    "2015-04-01": "Sts",
    "2015-06-12": "Location",
    "2017-12-14": "BssOpenApi",
}
ACTIONS: dict[tuple[str, str], Handler] = {}


def action(product: str, *names: str) -> Callable[[Handler], Handler]:
    """Enters a function into the table under the cloud's names for it."""

    def enter(function: Handler) -> Handler:
        for name in names:
            if (product, name) in ACTIONS:
                raise ValueError(f"{product} {name} is in the table twice")
            ACTIONS[product, name] = function
        return function

    return enter
