"""What an operator has ordered of the cloud, and what it keeps for itself."""

from dataclasses import dataclass, field
from typing import Any

from localcloud.cloud.model.document import Document


@dataclass(kw_only=True, eq=False)
class Stock(Document):
    """How many machines of a type a zone has left; without one, nothing limits it."""

    KIND = "stock"

    zone: str
    type: str
    left: int

    @property
    def key(self) -> str:
        """See Document."""
        return f"{self.zone}/{self.type}"


@dataclass(kw_only=True, eq=False)
class NasStock(Document):
    """A storage type that a zone does not offer now."""

    KIND = "nas_stock"

    zone: str
    storage: str

    @property
    def key(self) -> str:
        """See Document."""
        return f"{self.zone}/{self.storage}"


@dataclass(kw_only=True, eq=False)
class Quota(Document):
    """How many vCPUs the account may have; there is one, or none when it is the usual quota."""

    KIND = "quota"
    ID = "CPUS"
    CPUS = "cpus"

    cpus: int


@dataclass(kw_only=True, eq=False)
class Standing(Document):
    """What the account is worth; there is one, or none when nothing is in its way.

    Attributes:
        balance: AvailableAmount, as the cloud writes it.
        real_name: `yes`, `none` or `unnecessary`, as DescribeAccountAttributes has it.
    """

    KIND = "standing"
    ID = "ACCOUNT"
    ACCOUNT = "account"

    balance: str = "10000.00"
    real_name: str = "yes"


@dataclass(kw_only=True, eq=False)
class Problem(Document):
    """What failed behind the API, where its callers cannot see it."""

    KIND = "problem"
    ID = "id"

    id: str
    at: str
    instance: str
    text: str


@dataclass(kw_only=True, eq=False)
class Token(Document):
    """A call with a ClientToken: `digest` is of its parameters, `answer` what every repetition gets."""

    KIND = "token"
    ID = "token"

    token: str
    digest: str
    answer: dict[str, Any] = field(default_factory=dict)
