"""Local values of the stack's secrets, which the template creates empty."""

import base64
import json
import os
import secrets
from pathlib import Path
from typing import Any

from devstack.clients import CONFIG, Emulator
from devstack.deployment import PREFIX
from devstack.partners import stored_secrets
from devstack.workdir import PROJECT, Workdir
from leadbridge.settings import self_check
from tools.config import read_toml

OPERATOR = "local"


def seed(workdir: Workdir, aws: Emulator, sandbox_url: str) -> str:
    """Store every known value in its secret. Returns the operator's token."""
    put(aws, partner_secrets(workdir))
    return seed_sources(workdir, aws, sandbox_url)


def seed_sources(workdir: Workdir, aws: Emulator, sandbox_url: str) -> str:
    """Store the secrets of the sources and of the operator. Returns the operator's token."""
    values = own_secrets(workdir, sandbox_url)
    put(aws, values)
    return str(values["operators"][OPERATOR])


def put(aws: Emulator, values: dict[str, dict[str, Any]]) -> None:
    """Store each value whose secret the stack has."""
    manager = aws.session.client("secretsmanager", endpoint_url=aws.url, config=CONFIG)
    pages = manager.get_paginator("list_secrets").paginate()
    deployed = {secret["Name"] for page in pages for secret in page["SecretList"]}
    for name, value in values.items():
        if f"{PREFIX}/{name}" in deployed:
            manager.put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=json.dumps(value))


def partner_secrets(workdir: Workdir) -> dict[str, dict[str, Any]]:
    """The sandbox's secrets for its clients, by name of the stack's secret."""
    return stored_secrets(json.loads((workdir.sandbox / "secrets.json").read_text()))


def own_secrets(workdir: Workdir, sandbox_url: str) -> dict[str, dict[str, Any]]:
    """The secrets of the sources and of the operator: generated once, then kept in the workdir."""
    file = workdir.secrets_file
    known: dict[str, dict[str, Any]] = json.loads(file.read_text()) if file.exists() else {}
    sources = known.setdefault("sources", {})
    for name, source in read_toml(PROJECT / "config", "local")["sources"].items():
        if name == self_check.SOURCE:
            continue  # the stack has made its secret
        sources.setdefault(name, source_secret(source["adapter"]))
        if "graph_url" in sources[name]:
            sources[name] |= graph_secret(workdir, sandbox_url)
    known.setdefault("operators", {}).setdefault(OPERATOR, secrets.token_urlsafe(32))
    write_private(file, known)
    return known


def graph_secret(workdir: Workdir, sandbox_url: str) -> dict[str, Any]:
    """The URL of the sandbox's Graph and, after its first start, its app and token."""
    file = workdir.sandbox / "secrets.json"
    known = json.loads(file.read_text()).get("graph", {}) if file.exists() else {}
    proof = {"access_token": known["access_token"], "secrets": [known["app_secret"]]} if known else {}
    return {**proof, "graph_url": f"{sandbox_url}/graph"}


def source_secret(adapter: str) -> dict[str, Any]:
    """A new secret of a source: Standard Webhooks have their own format."""
    match adapter:
        case "standard_webhooks":
            return {"secrets": ["whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()]}
        case "meta":
            meta = {name: secrets.token_urlsafe(24) for name in ("verify_token", "access_token")}
            return {"secrets": [secrets.token_urlsafe(32)], **meta, "graph_url": ""}
        case _:
            return {"secrets": [secrets.token_urlsafe(32)]}


def write_private(file: Path, content: object) -> None:
    """Replace a file atomically by JSON with mode 0600."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    with open(draft, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as lines:
        json.dump(content, lines, indent=2)
        lines.write("\n")
    draft.replace(file)
