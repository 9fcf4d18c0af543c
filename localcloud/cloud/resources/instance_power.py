"""Start, stop, reboot and release."""

from localcloud.cloud.actions import action
from localcloud.cloud.checks import dry_run, one_of, unsupported
from localcloud.cloud.cloud import Cloud
from localcloud.cloud.machines import power, release, switch_on
from localcloud.cloud.model import Instance
from localcloud.cloud.model.instance import ECONOMICAL
from localcloud.cloud.params import Params
from localcloud.cloud.resources.instance import MISSING
from localcloud.cloud.wire import Json
from localcloud.errors import ApiError, wrong_status

WRONG = "IncorrectInstanceStatus"


@action("Ecs", "StartInstance")
def start_instance(cloud: Cloud, params: Params) -> Json:
    """Switches a stopped machine on."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    _require(instance, "Stopped")
    dry_run(params)
    switch_on(cloud, instance.instance_id)
    return {}


@action("Ecs", "StopInstance")
def stop_instance(cloud: Cloud, params: Params) -> Json:
    """Shuts a running machine down, or cuts its power; in economical mode it keeps neither place nor public address."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    unsupported(params, "Hibernate")
    # The provider says what it read of a running one.
    mode = one_of(params, "StoppedMode", "KeepCharging", ECONOMICAL, "Not-applicable").replace("Not-applicable", "")
    if instance.status != "Stopped":
        _require(instance, "Running")
    dry_run(params)
    if instance.status == "Stopped":
        return {}
    key, force = instance.instance_id, params.flag("ForceStop")
    power(cloud, key, "Stopping", "Stopped", lambda: cloud.backend.stop(key, force=force), mode=mode)
    return {}


@action("Ecs", "RebootInstance")
def reboot_instance(cloud: Cloud, params: Params) -> Json:
    """Restarts a running machine."""
    instance = cloud.need(Instance, params.need("InstanceId"), *MISSING)
    _require(instance, "Running")
    dry_run(params)
    key, force = instance.instance_id, params.flag("ForceStop")
    power(cloud, key, "Starting", "Running", lambda: cloud.backend.reboot(key, force=force))
    return {}


@action("Ecs", "DeleteInstance")
def delete_instance(cloud: Cloud, params: Params) -> Json:
    """Releases a machine: a stopped one, or with Force a running one."""
    key = params.need("InstanceId")
    _check_release(cloud, key, force=params.flag("Force"))
    dry_run(params)
    release(cloud, key)
    return {}


@action("Ecs", "DeleteInstances")
def delete_instances(cloud: Cloud, params: Params) -> Json:
    """Releases several machines, or none."""
    keys, force = params.items("InstanceId"), params.flag("Force")
    for key in keys:
        _check_release(cloud, key, force=force)
    dry_run(params)
    for key in keys:
        release(cloud, key)
    return {}


def _check_release(cloud: Cloud, key: str, *, force: bool) -> None:
    instance = cloud.need(Instance, key, *MISSING)
    if instance.deletion_protection:
        raise ApiError(
            403,
            "InvalidOperation.DeletionProtection",
            f"Deletion protection of instance {key} is on: switch it off with ModifyInstanceAttribute.",
        )
    if instance.status == "Pending":
        raise wrong_status("instance", "Pending", f"{WRONG}.Initializing")
    if instance.releasing:
        return
    _require(instance, *(("Stopped", "Running", "Starting", "Stopping") if force else ("Stopped",)))


def _require(instance: Instance, *statuses: str) -> None:
    if instance.status not in statuses:
        raise wrong_status("instance", instance.status, WRONG)
