"""Apply changed code and configuration to the running stack within seconds: `make reload`, `make watch`.

A changed function gets its new code. A change of the package or of `config/` becomes a new version of the layer, for
every function. The new versions are published and started, then the aliases move to them, as in a deployment.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from devstack import seed
from devstack.deployment import ALIAS, IN_LAYER, STACK_NAME, changes, fingerprint, needs_rebuild, sam_env
from devstack.sandbox.partner import write_private
from devstack.stack import Stack
from devstack.workdir import PROJECT, LocalError, Workdir

LAYER, LAYER_NAME = "LeadbridgeLayer", f"{STACK_NAME}-leadbridge"
WIDEST = "ManageLeads"  # imports more of the package than any other function: tried when the layer has changed
WATCH_INTERVAL = 0.5  # seconds
BUILD_TIMEOUT = 120  # seconds


def reload(workdir: Workdir, stack: Stack) -> list[str]:
    """Apply what has changed since the stack was started or last reloaded, and return the folders.

    Raises LocalError if a file is wrong or the new code does not start. The stack then runs the code that it had.
    """
    wanted = fingerprint()
    changed = changes(stack.fingerprint, wanted)
    if not changed:
        return []
    if needs_rebuild(stack.fingerprint, wanted):
        raise LocalError("The template, the dependencies or a Makefile has changed: run `make down up`.")
    names = stack.resources["AWS::Lambda::Function"]
    parts = {name: "functions" for name in names if f"functions/{folder_of(name)}" in changed}
    tried = {names[part] for part in parts}
    if changed & {*IN_LAYER}:
        parts[LAYER] = "layers/leadbridge"
        tried.add(names[WIDEST])
    draft = workdir.root / "draft"
    shutil.rmtree(draft, ignore_errors=True)
    for part, folder in parts.items():
        build(workdir, part, folder, draft / part)
    archives = {part: zipped(draft / part) for part in parts}
    if LAYER in parts:
        seed.seed_sources(workdir, stack.aws, stack.sandbox_url)  # those of partners may have been changed by hand
    client, layer = stack.client("lambda"), archives.pop(LAYER, None)
    delete_old_versions(client, names.values())
    code = {names[part]: archive for part, archive in archives.items()}
    publish(client, names.values(), code=code, layer=layer, tried=tried)
    (workdir.build / "fingerprint").unlink(missing_ok=True)
    for part in parts:
        shutil.rmtree(workdir.build / part)
        (draft / part).rename(workdir.build / part)
    (workdir.build / "fingerprint").write_text(wanted)
    write_private(workdir.stack_file, asdict(replace(stack, fingerprint=wanted)))
    return sorted(changed)


def report(workdir: Workdir, stack: Stack) -> str:
    """Reload, and return what was replaced and how long it took. Raises LocalError as `reload` does."""
    began = time.monotonic()
    folders = reload(workdir, stack)
    return f"Reloaded {', '.join(folders)} in {time.monotonic() - began:.1f} s." if folders else "Nothing has changed."


def reloads(workdir: Workdir, stack: Stack) -> Iterator[str]:
    """Reload after each change of a file until the stack ends. Yields a report, or an error, of each."""
    seen = ""
    while (live := Stack.live(workdir)) and live.pid == stack.pid:
        if (now := fingerprint()) not in (seen, live.fingerprint):
            try:
                yield report(workdir, live)
            except LocalError as error:
                yield str(error)
        seen = now
        time.sleep(WATCH_INTERVAL)


def folder_of(logical_id: str) -> str:
    """Return the folder of a function's code, by the rule of functions/Makefile."""
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", logical_id).lower()


def build(workdir: Workdir, part: str, folder: str, into: Path) -> None:
    """Build a function or the layer as `sam build` does. Raises LocalError with the output if a file is wrong."""
    into.mkdir(parents=True)
    command = ["make", "--silent", "-C", str(PROJECT / folder), f"build-{part}", f"ARTIFACTS_DIR={into}"]
    env = sam_env(workdir)
    done = subprocess.run(command, env=env, text=True, capture_output=True, timeout=BUILD_TIMEOUT, check=False)
    if done.returncode:
        said = "\n".join(line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("make: "))
        raise LocalError(said.replace(f"{into}/python", folder).replace(str(into), f"functions/{folder_of(part)}"))


def zipped(folder: Path) -> bytes:
    return Path(shutil.make_archive(str(folder), "zip", folder)).read_bytes()


def publish(
    client: Any, names: Iterable[str], *, code: Mapping[str, bytes], layer: bytes | None, tried: Iterable[str]
) -> None:
    """Publish new versions, start those of `tried`, then move the aliases.

    Raises LocalError if one does not start; no alias has moved then. The processes of the old versions finish their
    work, and stay until the next reload.
    """
    versions, arn = {}, ""
    if layer:
        arn = client.publish_layer_version(LayerName=LAYER_NAME, Content={"ZipFile": layer})["LayerVersionArn"]
    for name in names if arn else code:
        if name in code:
            client.update_function_code(FunctionName=name, ZipFile=code[name])
        if arn:
            layers = [one["Arn"] for one in client.get_function_configuration(FunctionName=name)["Layers"]]
            layers = [arn if f":layer:{LAYER_NAME}:" in one else one for one in layers]
            client.update_function_configuration(FunctionName=name, Layers=layers)
        versions[name] = client.publish_version(FunctionName=name)["Version"]
    for name in tried:
        answer = client.invoke(FunctionName=name, Qualifier=versions[name], Payload=b'{"Records": []}')
        error = json.loads(answer["Payload"].read()).get("errorMessage", "") if "FunctionError" in answer else ""
        if error.startswith("Worker "):  # as the emulator begins the text when a process does not start
            raise LocalError(f"The new code of {name} does not start, so the stack keeps the old one. {error}")
    for name, version in versions.items():
        client.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)


def delete_old_versions(client: Any, names: Iterable[str]) -> None:
    for name in names:
        live = client.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        for version in client.list_versions_by_function(FunctionName=name)["Versions"]:
            if version["Version"] not in ("$LATEST", live):
                client.delete_function(FunctionName=name, Qualifier=version["Version"])
