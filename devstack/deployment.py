"""Building and deploying the real template to the emulated AWS."""

import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import urllib3

from devstack.clients import CREDENTIALS, NOTHING_OF_THE_USERS, REGION, Emulator
from devstack.processes import run
from devstack.workdir import PROJECT, TOOLS, LocalError, Workdir

STACK_NAME = "leadbridge-local"
ALIAS = "live"  # what the template's events call of every function
PREFIX = "leadbridge"
ENVIRONMENT = ["--config-file", str(PROJECT / "samconfig.toml"), "--config-env", "local"]

# What `sam build` reads, beside the folders of the functions. `make reload` applies changes of the layer's part.
BUILT = ["template.yaml", "samconfig.toml", "pyproject.toml", "uv.lock", "functions/Makefile", "tools/config"]
BUILT += ["layers/dependencies", "layers/leadbridge/Makefile"]
IN_LAYER = ["layers/leadbridge/leadbridge", "config"]


def fingerprint() -> str:
    """Digests of all that decides the result of a build: of each folder that can be reloaded, and of the rest."""
    folders = sorted(f"functions/{path.parent.name}" for path in PROJECT.glob("functions/*/app.py"))
    parts = {"build": BUILT} | {folder: [folder] for folder in [*folders, *IN_LAYER]}
    return " ".join(f"{name}={_digest(sources)}" for name, sources in parts.items())


def changes(before: str, now: str) -> set[str]:
    return {part.partition("=")[0] for part in set(before.split()) ^ set(now.split())}


def needs_rebuild(before: str, now: str) -> bool:
    return "build" in changes(before, now)


def _digest(sources: Sequence[str]) -> str:
    digest = hashlib.sha256(architecture().encode())
    for source in sources:
        path = PROJECT / source
        for file in sorted(path.rglob("*") if path.is_dir() else [path]):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(PROJECT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def architecture() -> str:
    return "arm64" if platform.machine() in {"arm64", "aarch64"} else "x86_64"


def build(workdir: Workdir, *, lock: int) -> bool:
    """Run `sam build`, unless the last build had the same sources. Returns whether it ran."""
    wanted = fingerprint()
    built = workdir.build / "fingerprint"
    if built.exists() and built.read_text() == wanted:
        return False
    env = sam_env(workdir)
    if not shutil.which("uv", path=env["PATH"]):
        raise LocalError("The layers are built by uv, which is not on PATH. Through `make` all that is needed is.")
    shutil.rmtree(workdir.build, ignore_errors=True)
    command = [str(TOOLS / "sam"), "build", *ENVIRONMENT, "--build-dir", str(workdir.build), *parameters()]
    run("sam build", command, env=env, log=workdir.log("build"), lock=lock, timeout=600)
    built.write_text(wanted)
    return True


def deploy(workdir: Workdir, aws: Emulator, *, lock: int) -> dict[str, dict[str, str]]:
    """Run `sam deploy`. Returns the resources of the stack."""
    template = str(workdir.build / "template.yaml")
    command = [str(TOOLS / "sam"), "deploy", *ENVIRONMENT, "--template-file", template, *parameters()]
    command += ["--stack-name", STACK_NAME, "--region", REGION]
    run("sam deploy", command, env=sam_env(workdir, aws), log=workdir.log("deploy"), lock=lock, timeout=300)
    return aws.resources(STACK_NAME)


def api_url_of(aws: Emulator, resources: dict[str, dict[str, str]]) -> str:
    """The emulator's URL of the REST API. The template's output has AWS's format."""
    (api_id,) = resources["AWS::ApiGateway::RestApi"].values()
    (stage,) = resources["AWS::ApiGateway::Stage"].values()
    return f"{aws.url}/_aws/execute-api/{api_id}/{stage}"


def parameters() -> list[str]:
    return ["--parameter-overrides", "Environment=local", f"Prefix={PREFIX}", f"Architecture={architecture()}"]


def sam_env(workdir: Workdir, aws: Emulator | None = None) -> dict[str, str]:
    """The environment of the SAM CLI: the user's, without AWS settings, with the emulator's URL."""
    app = workdir.root / "sam"
    app.mkdir(parents=True, exist_ok=True)
    (app / "metadata.json").write_text(json.dumps({"telemetryEnabled": False, "lastVersionCheck": time.time()}))
    users = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SAM_"))}
    return {
        **users,
        **CREDENTIALS,
        **NOTHING_OF_THE_USERS,
        **({"AWS_ENDPOINT_URL": aws.url} if aws else {}),
        "AWS_DEFAULT_REGION": REGION,
        "PATH": os.pathsep.join([str(TOOLS), os.environ.get("PATH", os.defpath), str(PROJECT / ".local/uv/bin")]),
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "LEADBRIDGE_ARCHITECTURE": architecture(),  # what the layers' own makefiles go by
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",  # seconds; the default is 5, for AWS's rate limits
        "__SAM_CLI_APP_DIR": str(app),
    }


def warm_up(aws: Emulator, api_url: str, operator_token: str) -> None:
    """Start every function once, a few at a time, because more can block the emulator. No call changes anything."""
    functions = aws.client("lambda")
    consumers = {
        mapping["FunctionArn"]
        for page in functions.get_paginator("list_event_source_mappings").paginate()
        for mapping in page["EventSourceMappings"]
    }
    headers = {"Authorization": f"Bearer {operator_token}"}
    with ThreadPoolExecutor(max_workers=3) as pool:  # what a call raises stays in its future
        for method, path in [("GET", "/leads?limit=1"), *[("POST", "/webhooks/unknown")] * 2]:  # forms post at once
            pool.submit(urllib3.request, method, api_url + path, headers=headers, timeout=30, retries=False)
        for name in sorted(consumers):
            pool.submit(functions.invoke, FunctionName=name, Payload=b'{"Records": []}')
