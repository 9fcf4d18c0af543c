"""Who calls, where products answer, and what the account may buy."""

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.model import Instance, Quota, Standing
from localcloud.cloud.params import Params
from localcloud.cloud.resources.instance_run import QUOTA_CPUS
from localcloud.cloud.wire import Json
from localcloud.errors import invalid

MOST_ATTRIBUTES = 8  # Alibaba's documentation of DescribeAccountAttributes: N is 1 to 8


@action("Sts", "GetCallerIdentity")
def get_caller_identity(cloud: Cloud, params: Params) -> Json:
    """The account behind the key."""
    account = cloud.settings.account
    return {
        "AccountId": account,
        "UserId": account,
        "PrincipalId": account,
        "IdentityType": "Account",
        "RoleId": "",
        "Arn": f"acs:ram::{account}:root",
    }


@action("Location", "DescribeEndpoints")
def describe_endpoints(cloud: Cloud, params: Params) -> Json:
    """Where a product answers: here."""
    code = params.text("ServiceCode")
    endpoint = {
        "Endpoint": cloud.endpoint,
        "Id": params.text("Id", cloud.settings.region),
        "Namespace": "",
        "SerivceCode": code,
        "Type": params.text("Type", "openAPI"),
        "Protocols": {"Protocols": ["HTTP", "HTTPS"]},
    }
    return {"Success": True, "Endpoints": {"Endpoint": [endpoint]}}


@action("BssOpenApi", "QueryAvailableInstances")
def query_available_instances(cloud: Cloud, params: Params) -> Json:
    """What was bought in advance: nothing. The provider learns from the answer that the account is a domestic one."""
    data = {"TotalCount": 0, "PageNum": 1, "PageSize": 20, "InstanceList": []}
    return {"Success": True, "Code": "Success", "Message": "Successful!", "Data": data}


@action("BssOpenApi", "QueryAccountBalance")
def query_account_balance(cloud: Cloud, params: Params) -> Json:
    """Money that nobody has or owes."""
    amount = _standing(cloud).balance
    data = {
        "AvailableAmount": amount,
        "AvailableCashAmount": amount,
        "CreditAmount": "0.00",
        "MybankCreditAmount": "0.00",
        "Currency": "CNY",
    }
    return {"Success": True, "Code": "200", "Message": "Successful!", "Data": data}


@action("Ecs", "DescribeAccountAttributes")
def describe_account_attributes(cloud: Cloud, params: Params) -> Json:
    """What the account may rent, how much of it is rented, and whether it has a verified real name."""
    quota = cloud.store.get(Quota, Quota.CPUS)
    spot = {True: 0, False: 0}
    for machine in cloud.store.all(Instance):
        spot[machine.spot_strategy != "NoSpot"] += machine.cpu
    most = str(quota.cpus if quota else QUOTA_CPUS)
    known = {
        "instance-network-type": "vpc",
        "max-security-groups": "100",
        "max-elastic-network-interfaces": "100",
        "max-postpaid-instance-vcpu-count": most,
        "used-postpaid-instance-vcpu-count": str(spot[False]),
        "max-spot-instance-vcpu-count": most,
        "used-spot-instance-vcpu-count": str(spot[True]),
        "real-name-authentication": _standing(cloud).real_name,
    }
    wanted = params.items("AttributeName")
    if len(wanted) > MOST_ATTRIBUTES or not set(wanted) <= set(known):
        raise invalid("AttributeName", f"{', '.join(wanted)} are not 1 to {MOST_ATTRIBUTES} of {', '.join(known)}")
    items = [
        {"AttributeName": name, "AttributeValues": {"ValueItem": [{"Value": known[name]}]}} for name in wanted or known
    ]
    return {"AccountAttributeItems": {"AccountAttributeItem": items}}


def _standing(cloud: Cloud) -> Standing:
    return cloud.store.get(Standing, Standing.ACCOUNT) or Standing()
