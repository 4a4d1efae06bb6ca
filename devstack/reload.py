"""Apply changed code and configuration to the running stack within seconds: `make reload`, `make watch`.

A changed function gets its new code. A change of `layers/leadbridge/leadbridge/` or `config/` becomes a new version of
the layer, for every function. The new versions are published and started, then the aliases move to them, as in a
deployment. Everything else that `sam build` reads needs `make down up`.
"""

from __future__ import annotations

import io
import json
import py_compile
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any

from devstack import seed
from devstack.deployment import ALIAS, STACK_NAME, fingerprint, needs_rebuild
from devstack.stack import Stack
from devstack.workdir import PROJECT, LocalError, Workdir

PACKAGE = PROJECT / "layers" / "leadbridge" / "leadbridge"
LAYER, LAYER_NAME = "LeadbridgeLayer", f"{STACK_NAME}-leadbridge"
WIDEST = "ManageLeads"  # imports more of the package than any other function: tried when the layer has changed
WATCH_INTERVAL = 0.5  # seconds


def reload(workdir: Workdir, stack: Stack) -> list[str]:
    """Apply what has changed since the stack was started or last reloaded, and return the folders that were replaced.

    Raises LocalError if a file is wrong or the new code does not start. The stack then runs the code that it had.
    """
    wanted = fingerprint()
    if stack.fingerprint == wanted:
        return []
    if needs_rebuild(stack.fingerprint, wanted):
        raise LocalError("The template, the dependencies or a Makefile has changed: run `make down up`.")
    names = stack.resources["AWS::Lambda::Function"]
    package = workdir.build / LAYER / "python" / "leadbridge"
    parts = {LAYER: (PACKAGE, package)}
    parts |= {name: (PROJECT / "functions" / folder_of(name), workdir.build / name) for name in names}
    differing = {part: differences(source, target) for part, (source, target) in parts.items()}
    check_syntax(file for files in differing.values() for file in files)

    built, pending = workdir.build / "fingerprint", workdir.build / "pending"
    changed = {part for part, files in differing.items() if files}
    if is_newer(PROJECT / "config", package / "config"):
        changed.add(LAYER)
    tried = [names[part] for part in (changed | {WIDEST} if LAYER in changed else changed) if part in names]
    if pending.exists():  # copied by an earlier reload, and not live because it failed
        changed |= {*pending.read_text().split()}
    built.unlink(missing_ok=True)
    pending.write_text(" ".join(changed))
    for part in changed:
        copy(*parts[part], differing[part])
    if LAYER in changed:
        ship_config(package / "config")
        seed.seed_sources(workdir, stack.aws, stack.sandbox_url)  # those of partners may have been changed by hand
    client = stack.client("lambda")
    delete_old_versions(client, names.values())
    publish(
        client,
        names.values(),
        code={names[part]: zipped(workdir.build / part) for part in changed if part in names},
        layer=zipped(workdir.build / LAYER) if LAYER in changed else None,
        tried=tried,
    )
    pending.unlink()
    built.write_text(wanted)
    seed.write_private(workdir.stack_file, replace(stack, fingerprint=wanted).as_json())
    folders = {part: str(folder.relative_to(PROJECT)) for part, (folder, _) in parts.items()}
    return sorted(f"{folders[part]} with config" if part == LAYER else folders[part] for part in changed)


def report(workdir: Workdir, stack: Stack) -> str:
    """Reload, and return what was replaced and how long it took. Raises LocalError as `reload` does."""
    began = time.monotonic()
    folders = reload(workdir, stack)
    took = f"{time.monotonic() - began:.1f} s"
    return f"Reloaded {', '.join(folders)} in {took}." if folders else "Nothing has changed."


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


def files_of(folder: Path) -> set[Path]:
    """Return the relative paths of all files, without compiled ones and without the shipped configuration."""
    found = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path for path in found if "__pycache__" not in path.parts and path.parts[0] != "config"}


def differences(source: Path, target: Path) -> list[Path]:
    """Return the files that are not the same in both folders, as paths in `source`."""
    wanted, there = files_of(source), files_of(target)
    same = {path for path in wanted & there if (source / path).read_bytes() == (target / path).read_bytes()}
    return sorted(source / path for path in (wanted | there) - same)


def is_newer(source: Path, target: Path) -> bool:
    """Whether a TOML file was changed after the configuration was shipped."""
    shipped = min((file.stat().st_mtime for file in target.glob("*.pickle")), default=0.0)
    return any(file.stat().st_mtime > shipped for file in source.glob("*.toml"))


def check_syntax(files: Iterable[Path]) -> None:
    """Raise LocalError for the first file that is not Python."""
    for file in files:
        if file.suffix == ".py" and file.exists():
            try:
                compile(file.read_bytes(), str(file), "exec")
            except (SyntaxError, ValueError) as error:
                line = getattr(error, "lineno", None) or 1
                raise LocalError(f"{file.relative_to(PROJECT)}:{line}: {getattr(error, 'msg', error)}") from None


def copy(source: Path, target: Path, files: Iterable[Path]) -> None:
    """Bring files of `source` to `target`, compiled as the build compiles them."""
    for file in files:
        copied = target / file.relative_to(source)
        Path(cache_from_source(str(copied))).unlink(missing_ok=True)
        if not file.exists():
            copied.unlink()
            continue
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copied)
        if file.suffix == ".py":
            mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
            py_compile.compile(str(copied), doraise=True, invalidation_mode=mode)


def ship_config(into: Path, config: Path = PROJECT / "config") -> None:
    """Check the configuration and write it for the layer, in a process that imports the present code.

    Raises LocalError.
    """
    command = [sys.executable, "-m", "tools.config", str(config), str(into)]
    done = subprocess.run(command, cwd=PROJECT, text=True, capture_output=True, check=False)
    if done.returncode:
        raise LocalError(done.stderr.strip())


def zipped(folder: Path) -> bytes:
    """Return a folder as an archive."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as files:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                files.write(path, path.relative_to(folder))
    return archive.getvalue()


def publish(
    client: Any, names: Iterable[str], *, code: Mapping[str, bytes], layer: bytes | None, tried: Iterable[str]
) -> None:
    """Publish new versions, start those of `tried`, then move the aliases.

    Raises LocalError if one does not start; no alias has moved then. The processes of the old versions finish their
    work, and stay until the next reload.
    """
    versions = {}
    arn = publish_layer(client, layer) if layer else None
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
    """Delete all versions that are not live, with their processes."""
    for name in names:
        live = client.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        for version in client.list_versions_by_function(FunctionName=name)["Versions"]:
            if version["Version"] not in ("$LATEST", live):
                client.delete_function(FunctionName=name, Qualifier=version["Version"])


def publish_layer(client: Any, content: bytes) -> str:
    """Publish a version of the package's layer and return its ARN."""
    published = client.publish_layer_version(
        LayerName=LAYER_NAME, Content={"ZipFile": content}, CompatibleRuntimes=["python3.13"]
    )
    return str(published["LayerVersionArn"])
