"""Grafana's settings and provisioning: the dashboards of files/dashboards, read-only, from one data source.

Its own logins are off: whoever comes through the gateway has logged in there, and views.
"""

from __future__ import annotations

import json

from components.monitoring.prometheus import FOLDER, PATH

DATA = "/var/lib/grafana"
HOME = f"{FOLDER}/dashboards/deployment.json"


def grafana_environment(port: int) -> dict[str, str]:
    """Variables of its process (https://grafana.com/docs/grafana/latest/setup-grafana/configure-grafana/)."""
    return {
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SERVER_ROOT_URL": f"%(protocol)s://%(domain)s{PATH}/",
        "GF_SERVER_SERVE_FROM_SUB_PATH": "true",
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_AUTH_DISABLE_LOGIN_FORM": "true",
        "GF_AUTH_BASIC_ENABLED": "false",
        "GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION": "true",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
        "GF_NEWS_NEWS_FEED_ENABLED": "false",
        "GF_PLUGINS_PREINSTALL_DISABLED": "true",
        "GF_LOG_MODE": "console",
        "GF_PATHS_DATA": DATA,
        "GF_PATHS_PROVISIONING": f"{FOLDER}/provisioning",
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": HOME,
    }


def grafana_provisioning(prometheus_port: int) -> dict[str, str]:
    """Content by path: the data source, which is Prometheus, and the folder of dashboards. JSON, which is YAML."""
    source = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": f"http://127.0.0.1:{prometheus_port}{PATH}/prometheus",
        "isDefault": True,
        "jsonData": {"timeInterval": "15s", "httpMethod": "POST"},
    }
    dashboards = {"name": "tandem", "type": "file", "options": {"path": f"{FOLDER}/dashboards"}, "editable": False}
    return {
        f"{FOLDER}/provisioning/datasources/prometheus.yaml": json.dumps({"apiVersion": 1, "datasources": [source]}),
        f"{FOLDER}/provisioning/dashboards/tandem.yaml": json.dumps({"apiVersion": 1, "providers": [dashboards]}),
    }
