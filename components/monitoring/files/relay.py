"""Hands Alertmanager's webhooks on to robots of DingTalk and Feishu, in their JSON and with their signatures.

    relay.py FILE PORT    FILE: {"dingtalk": {"url": ..., "secret": ...}, "feishu": {...}}; listens on loopback

Alertmanager can write any JSON, but not the time and its HMAC, which both ask for where a robot has a secret. What a
robot refuses is answered with 502, so that Alertmanager tries again and counts it. Needs nothing but Python 3.8.
"""

from __future__ import annotations

import base64
import hmac
import json
import sys
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

SECONDS = 10
LONGEST = 4000
"""Characters of a message: DingTalk takes 20000 bytes, Feishu 20 KiB."""
MOST = 1 << 20


def text_of(notification: dict[str, Any]) -> tuple[str, str]:
    """Title and text of one notification."""
    alerts = notification.get("alerts", [])
    names = sorted({str(alert["labels"].get("alertname", "alert")) for alert in alerts})
    title = f"[{notification.get('status', 'firing')}] {', '.join(names)}"
    parts = []
    for alert in alerts:
        said, where = alert.get("annotations", {}), alert["labels"].get("machine", "")
        line = f"{alert.get('status', '')}: {said.get('summary', alert['labels'].get('alertname', ''))}"
        parts.append(line + (f" ({where})" if where and where not in line else ""))
        if alert.get("status") == "firing" and said.get("remedy"):
            parts.append(f"What mends it: {said['remedy']}")
    return title, "\n\n".join(parts)[:LONGEST]


def dingtalk(url: str, secret: str, title: str, text: str) -> tuple[str, dict[str, Any]]:
    """Address and body. Signed with the secret: HMAC-SHA256 of `milliseconds\\nsecret`, base64, in the query
    (open.dingtalk.com, custom robots)."""
    if secret:
        now = str(round(time.time() * 1000))
        signed = base64.b64encode(hmac.digest(secret.encode(), f"{now}\n{secret}".encode(), "sha256"))
        url += f"&timestamp={now}&sign={urllib.parse.quote_plus(signed)}"
    return url, {"msgtype": "markdown", "markdown": {"title": title, "text": f"**{title}**\n\n{text}"}}


def feishu(url: str, secret: str, title: str, text: str) -> tuple[str, dict[str, Any]]:
    """Address and body. Signed with `seconds\\nsecret` as the key: HMAC-SHA256 of nothing, base64, in the body
    (open.feishu.cn, custom bots)."""
    body: dict[str, Any] = {"msg_type": "text", "content": {"text": f"{title}\n\n{text}"}}
    if secret:
        now = str(int(time.time()))
        signed = base64.b64encode(hmac.digest(f"{now}\n{secret}".encode(), b"", "sha256")).decode()
        body.update(timestamp=now, sign=signed)
    return url, body


ROBOTS = {"dingtalk": (dingtalk, "errcode", "errmsg"), "feishu": (feishu, "code", "msg")}
"""How to write to each, and the fields of its answer: 0 when it has taken it, and why not."""


def send(name: str, robot: dict[str, str], notification: dict[str, Any]) -> str:
    """Why the robot did not take it; empty when it did. Its address is a secret, and in no message."""
    make, code, why = ROBOTS[name]
    url, body = make(robot["url"], robot.get("secret", ""), *text_of(notification))
    headers = {"Content-Type": "application/json; charset=utf-8"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310  # settings allow http(s)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            said = json.load(answer)
    except (OSError, ValueError) as error:
        return f"{name} is not reached: {getattr(error, 'reason', None) or type(error).__name__}"
    return "" if said.get(code) == 0 else f"{name} refuses it: {said.get(code)} {said.get(why, '')}"


class Relay(ThreadingHTTPServer):
    """Knows the robots."""

    def __init__(self, port: int, robots: dict[str, dict[str, str]]) -> None:
        self.robots = robots
        super().__init__(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """Answers Alertmanager."""

    timeout = SECONDS
    server: Relay

    def do_GET(self) -> None:
        """Nothing to count: that it answers Prometheus is what is looked at."""
        if self.path == "/metrics":
            self._answer(200, "")
        else:
            self._answer(404, "no such page")

    def do_POST(self) -> None:
        """One notification."""
        name = self.path.strip("/")
        if name not in self.server.robots or name not in ROBOTS:
            self._answer(404, "no such robot")
            return
        try:
            notification = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", "0")), MOST)))
            why = send(name, self.server.robots[name], notification)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self._answer(400, f"this is no notification of Alertmanager's: {error}")
            return
        if why:
            print(why, file=sys.stderr, flush=True)
        self._answer(502 if why else 200, why or "sent")

    def _answer(self, code: int, text: str) -> None:
        body = f"{text}\n".encode() if text else b""
        self.send_response(code)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing is said of it."""


def main() -> None:
    """Reads the arguments; ends with its process."""
    Relay(int(sys.argv[2]), json.loads(Path(sys.argv[1]).read_text())).serve_forever()


if __name__ == "__main__":
    main()
