"""The measured flow, as n8n's workflow and as Node-RED's nodes: webhook, validation, authorization, create."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

PREPARE = Path(__file__).with_name("prepare.js")
CALL_MILLISECONDS = 15_000  # as leadbridge's own calls

type Node = dict[str, Any]


def prepare(secret: Mapping[str, Any]) -> str:
    """The code of the shared function, with the secret."""
    return f"const secret = {json.dumps(secret)};\n{PREPARE.read_text(encoding='utf-8')}"


def n8n(path: str, secret: Mapping[str, Any], *, at_end: bool) -> Node:
    """n8n's workflow of the webhook `path`. It answers when the lead is valid, or `at_end` when the partner has it.

    One Code node does the validation and the encryption: a second one would be a second call of the task runner.
    """
    code = f"const crypto = require('crypto');\n{prepare(secret)}\nconst {{ headers, body }} = $input.first().json;\n"
    deal = "{...$('Prepare').first().json.deal, security_token: $json.security_token}"
    bearer = {"name": "Authorization", "value": "=Bearer {{ $json.access_token }}"}
    nodes = {
        "Webhook": _n8n_node(
            "webhook", 2, path=path, httpMethod="POST", responseMode="responseNode", options={}, webhookId=path
        ),
        "Prepare": _n8n_node("code", 2, jsCode=f"{code}return [{{ json: prepare(headers, body) }}];"),
        "Authorize": _n8n_call(secret["auth_url"], "$('Prepare').first().json.authorization"),
        "Create": _n8n_call(
            f"{secret['base_url'].rstrip('/')}/create-short-deal/",
            deal,
            sendHeaders=True,
            headerParameters={"parameters": [bearer]},
        ),
        "Answer": _n8n_node(
            "respondToWebhook",
            1.1,
            respondWith="json",
            responseBody='{"status": "received"}',
            options={"responseCode": 202},
        ),
    }
    middle = ["Authorize", "Create"]
    order = ["Webhook", "Prepare", *([*middle, "Answer"] if at_end else ["Answer", *middle])]
    return {
        "id": path,
        "name": path,
        "active": False,
        "nodes": [{**nodes[name], "id": f"{path}-{name}", "name": name, "position": [0, 0]} for name in order],
        "connections": {
            name: {"main": [[{"node": after, "type": "main", "index": 0}]]} for name, after in pairwise(order)
        },
        "settings": {"executionOrder": "v1"},
    }


def _n8n_node(kind: str, version: float, *, webhookId: str | None = None, **parameters: Any) -> Node:  # noqa: N803
    node: Node = {"type": f"n8n-nodes-base.{kind}", "typeVersion": version, "parameters": parameters}
    return node if webhookId is None else {**node, "webhookId": webhookId}


def _n8n_call(url: str, body: str, **more: Any) -> Node:
    return _n8n_node(
        "httpRequest",
        4.2,
        method="POST",
        url=url,
        sendBody=True,
        specifyBody="json",
        jsonBody=f"={{{{ JSON.stringify({body}) }}}}",
        options={"timeout": CALL_MILLISECONDS},
        **more,
    )


def node_red(path: str, secret: Mapping[str, Any], *, at_end: bool, journal: str) -> list[Node]:
    """Node-RED's nodes of the webhook `path`. The lead is appended to the journal before the answer."""
    base = secret["base_url"].rstrip("/")
    call = {"type": "http request", "method": "POST", "ret": "obj", "persist": True, "headers": []}
    nodes: dict[str, Node] = {
        "webhook": {"type": "http in", "url": f"/{path}", "method": "post", "upload": False},
        "prepare": _function(
            f"{prepare(secret)}\nObject.assign(msg, prepare(msg.req.headers, msg.payload));\n"
            "msg.payload = JSON.stringify(msg.payload);\nreturn msg;",
            libs=[{"var": "crypto", "module": "crypto"}],
        ),
        "journal": {
            "type": "file",
            "filename": journal,
            "filenameType": "str",
            "appendNewline": True,
            "createDir": False,
            "overwriteFile": "false",
            "encoding": "none",
        },
        "to-authorize": _function(
            "msg.headers = {'content-type': 'application/json'};\nmsg.payload = msg.authorization;\nreturn msg;"
        ),
        "authorize": {**call, "url": secret["auth_url"]},
        "to-create": _function(
            "if (msg.statusCode !== 200) throw new Error('authorize: ' + msg.statusCode);\n"
            "msg.headers = {'content-type': 'application/json', authorization: 'Bearer ' + msg.payload.access_token};\n"
            "msg.payload = {...msg.deal, security_token: msg.payload.security_token};\nreturn msg;"
        ),
        "create": {**call, "url": f"{base}/create-short-deal/"},
        "check": _function(
            "if (msg.statusCode !== 200) throw new Error('create: ' + msg.statusCode);\n"
            "msg.headers = {};\nmsg.payload = {status: 'received'};\nreturn msg;"
        ),
        "answer": {"type": "http response", "statusCode": "202", "headers": {}},
    }
    wires = {"webhook": ["prepare"], "prepare": ["journal"], "to-authorize": ["authorize"]}
    wires |= {"authorize": ["to-create"], "to-create": ["create"], "create": ["check"]}
    if at_end:
        wires |= {"journal": ["to-authorize"], "check": ["answer"]}
    else:
        nodes["to-answer"] = _function("msg.headers = {};\nmsg.payload = {status: 'received'};\nreturn msg;")
        wires |= {"journal": ["to-answer", "to-authorize"], "to-answer": ["answer"]}
    tab: Node = {"id": path, "type": "tab", "label": path, "disabled": False, "info": ""}
    ready: list[Node] = []
    if not at_end:
        ready = [
            {"id": "ready", "type": "http in", "z": path, "url": "/ready", "method": "get", "wires": [["ready-ok"]]},
            {"id": "ready-ok", "type": "http response", "z": path, "statusCode": "200", "headers": {}, "wires": []},
        ]
    return [
        tab,
        *ready,
        *(
            {**one, "id": f"{path}-{name}", "z": path, "wires": [[f"{path}-{to}" for to in wires.get(name, [])]]}
            for name, one in nodes.items()
        ),
    ]


def _function(code: str, libs: list[Node] | None = None) -> Node:
    return {"type": "function", "func": code, "outputs": 1, "timeout": 0, "noerr": 0, "libs": libs or []}


def node_red_settings(folder: Path, port: int) -> str:
    """Node-RED's settings file: no editor, no telemetry, nothing installed at run time."""
    settings = {
        "userDir": str(folder),
        "flowFile": "flows.json",
        "uiHost": "127.0.0.1",
        "uiPort": port,
        "httpAdminRoot": False,
        "telemetry": {"enabled": False, "updateNotification": False},
        "functionExternalModules": True,
        "externalModules": {
            "autoInstall": False,
            "palette": {"allowInstall": False},
            "modules": {"allowInstall": False},
        },
        "credentialSecret": False,
        "logging": {"console": {"level": "warn", "metrics": False, "audit": False}},
    }
    return f"module.exports = {json.dumps(settings, indent=1)};\n"
