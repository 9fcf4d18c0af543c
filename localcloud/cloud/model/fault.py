"""Faults that a test orders for calls of the API."""

from dataclasses import dataclass, field

from localcloud.cloud.model.document import Document
from localcloud.http import faults

# Named faults: status, code, message. Codes from Alibaba's lists of errors of ECS and of all products.
NAMED = {
    "throttle": (400, "Throttling.User", "Request was denied due to user flow control."),
    "unavailable": (503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server."),
    "balance": (
        403,
        "InvalidAccountStatus.NotEnoughBalance",
        "Your account does not have enough balance.",
    ),
    "no-stock": (
        403,
        "OperationDenied.NoStock",
        "The requested resource is sold out in the specified zone; try other types or zones.",
    ),
    "not-on-sale": (403, "Zone.NotOnSale", "The specified zone is not available for purchase."),
    "quota": (403, "QuotaExceed.ElasticQuota", "The number of the specified ECS instances has exceeded the quota."),
}
OF_MACHINES = ("no-stock", "balance", "not-on-sale", "quota")
"""Faults of RunInstances, unless an action is named."""


@dataclass(eq=False)
class CallFault(faults.Fault, Document):
    """What goes wrong with a call.

    Attributes:
        kind: one of NAMED; `error` with `status`, `code` and `message`; `slow`, which takes `seconds`; `lost`, whose
            answer never arrives though the action takes place.
        id: of the fault.
        action: a pattern for actions; empty for RunInstances or all, by the kind.
        zone, type: only calls for this zone and instance type; empty for any.
    """

    KIND = "fault"
    ID = "id"
    KINDS = (*NAMED, "error", "slow", "lost")

    id: str = field(kw_only=True)
    action: str = field(default="", kw_only=True)
    zone: str = field(default="", kw_only=True)
    type: str = field(default="", kw_only=True)
    seconds: float = field(default=1.0, kw_only=True)
    status: int = field(default=500, kw_only=True)
    code: str = field(default="InternalError", kw_only=True)
    message: str = field(default="Ordered fault.", kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.action = self.action or ("RunInstances" if self.kind in OF_MACHINES else "*")

    @property
    def pattern(self) -> str:
        """For actions."""
        return self.action
