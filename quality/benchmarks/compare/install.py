"""Install n8n and Node-RED from npm into .local/compare, in the versions of versions.toml."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

from devstack.workdir import PROJECT, LocalError
from quality.benchmarks.shipped import data

FOLDER = PROJECT / ".local" / "compare"
VERSIONS: dict[str, str] = data("compare/versions.toml")
MACHINES = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}
TOOLS = ("npm", "make", "g++")
TIMEOUT = 1800.0  # seconds for one package: n8n has some 2,000 dependencies
QUIET = ("--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
DATABASE = "sqlite3"  # n8n's only dependency with a compiled part that the measured flow needs


def missing() -> str | None:
    """Return why nothing can be installed on this machine; None if it can."""
    if lacking := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"{', '.join(lacking)} not found; npm installs both, and a C++ compiler builds n8n's database"
    if platform.system() != "Linux" or platform.machine() not in MACHINES:
        return "processes are measured by /proc, so this needs Linux on x86_64 or arm64"
    return None


def install() -> None:
    """Install the packages unless these versions are there, complete. Raises LocalError with npm's output."""
    stamp = FOLDER / "versions.json"
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == VERSIONS:
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    for name, version in VERSIONS.items():
        target = FOLDER / name
        target.mkdir(parents=True)
        package = node_package() if name == "node" else name
        run("npm", "install", "--prefix", str(target), *QUIET, f"{package}@{version}", cwd=target)
    # n8n's database is compiled by npm's node-gyp with the headers of our Node.js: nothing more is downloaded.
    npm, folder = Path(shutil.which("npm") or "").resolve().parents[1], FOLDER / "n8n" / "node_modules" / DATABASE
    builder = npm / "node_modules" / "node-gyp" / "bin" / "node-gyp.js"
    run(str(node()), str(builder), "rebuild", f"--nodedir={node().parents[1]}", cwd=folder)
    stamp.write_text(json.dumps(VERSIONS), encoding="utf-8")


def run(*command: str, cwd: Path) -> None:
    """Run a command of Node.js. Raises LocalError with its errors."""
    env = {**os.environ, "PATH": os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])}
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise LocalError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def node() -> Path:
    return FOLDER / "node" / "node_modules" / node_package() / "bin" / "node"


def node_package() -> str:
    return f"node-linux-{MACHINES[platform.machine()]}"


def script(name: str, *parts: str) -> str:
    return str(FOLDER.joinpath(name, "node_modules", name, *parts))
