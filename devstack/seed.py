"""Local values of the stack's secrets, which the template creates empty."""

import base64
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from devstack.clients import Emulator
from devstack.deployment import PREFIX
from devstack.partners import stored_secrets
from devstack.sandbox.partner import write_private
from devstack.workdir import PROJECT, Workdir
from leadbridge.settings import self_check
from tools.config import read_toml

OPERATOR = "local"


def seed(workdir: Workdir, aws: Emulator, sandbox_url: str) -> str:
    """Store every known value in its secret. Returns the operator's token."""
    put(aws, stored_secrets(json.loads((workdir.sandbox / "secrets.json").read_text())))
    return seed_sources(workdir, aws, sandbox_url)


def seed_sources(workdir: Workdir, aws: Emulator, sandbox_url: str) -> str:
    """Store the secrets of the sources and of the operator. Returns the operator's token."""
    values = own_secrets(workdir, sandbox_url)
    put(aws, values)
    return str(values["operators"][OPERATOR])


def put(aws: Emulator, values: dict[str, dict[str, Any]]) -> None:
    """Store each value whose secret the stack has."""
    manager = aws.client("secretsmanager")
    for name, value in values.items():
        with suppress(manager.exceptions.ResourceNotFoundException):
            manager.put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=json.dumps(value))


def own_secrets(workdir: Workdir, sandbox_url: str) -> dict[str, dict[str, Any]]:
    """The secrets of the sources and of the operator: generated once, then kept in the workdir."""
    known: dict[str, dict[str, Any]] = read_json(workdir.secrets_file)
    graph = read_json(workdir.sandbox / "secrets.json").get("graph", {})  # the sandbox has them after its first start
    graph = {"access_token": graph["access_token"], "secrets": [graph["app_secret"]]} if graph else {}
    sources = known.setdefault("sources", {})
    for name, source in read_toml(PROJECT / "config", "local")["sources"].items():
        if name == self_check.SOURCE:
            continue  # the stack has made its secret
        sources.setdefault(name, source_secret(source["adapter"]))
        if "graph_url" in sources[name]:
            sources[name] |= {"graph_url": f"{sandbox_url}/graph"} | graph
    known.setdefault("operators", {}).setdefault(OPERATOR, secrets.token_urlsafe(32))
    write_private(workdir.secrets_file, known)
    return known


def source_secret(adapter: str) -> dict[str, Any]:
    """A new secret of a source: Standard Webhooks have their own format."""
    if adapter == "standard_webhooks":
        return {"secrets": ["whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()]}
    meta = {name: secrets.token_urlsafe(24) for name in ("verify_token", "access_token")} | {"graph_url": ""}
    return {"secrets": [secrets.token_urlsafe(32)], **(meta if adapter == "meta" else {})}


def read_json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text())) if file.exists() else {}
