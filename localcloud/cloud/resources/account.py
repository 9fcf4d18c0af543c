"""Who calls, where products answer, and what the account may buy."""

from localcloud.cloud.actions import action
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.params import Params
from localcloud.cloud.wire import Json


@action("Sts", "GetCallerIdentity")
def get_caller_identity(cloud: Cloud, params: Params) -> Json:
    """The account behind the key."""
    account = cloud.settings.account
    return {
        "AccountId": account, "UserId": account, "PrincipalId": account, "IdentityType": "Account", "RoleId": "",
        "Arn": f"acs:ram::{account}:root",
    }  # fmt: skip


@action("Location", "DescribeEndpoints")
def describe_endpoints(cloud: Cloud, params: Params) -> Json:
    """Where a product answers: here."""
    code = params.text("ServiceCode")
    endpoint = {
        "Endpoint": cloud.endpoint, "Id": params.text("Id", cloud.settings.region), "Namespace": "",
        "SerivceCode": code, "Type": params.text("Type", "openAPI"), "Protocols": {"Protocols": ["HTTP", "HTTPS"]},
    }  # fmt: skip
    return {"Success": True, "Endpoints": {"Endpoint": [endpoint]}}


@action("BssOpenApi", "QueryAvailableInstances")
def query_available_instances(cloud: Cloud, params: Params) -> Json:
    """What was bought in advance: nothing. The provider learns from the answer that the account is a domestic one."""
    data = {"TotalCount": 0, "PageNum": 1, "PageSize": 20, "InstanceList": []}
    return {"Success": True, "Code": "Success", "Message": "Successful!", "Data": data}


@action("BssOpenApi", "QueryAccountBalance")
def query_account_balance(cloud: Cloud, params: Params) -> Json:
    """Money that nobody has or owes."""
    data = {"AvailableAmount": "10000.00", "AvailableCashAmount": "10000.00", "CreditAmount": "0.00", "Currency": "CNY"}
    return {"Success": True, "Code": "200", "Message": "Successful!", "Data": data}
