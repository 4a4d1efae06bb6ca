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
    """Install each package unless its version is there. Raises LocalError with npm's output."""
    for name, version in VERSIONS.items():
        package = node_package() if name == "node" else name
        if installed(name, package) == version:
            continue
        target = FOLDER / name
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        run("npm", "install", "--prefix", str(target), *QUIET, f"{package}@{version}", cwd=target)
        if name == "n8n":
            # By the node-gyp of npm and the headers of our Node.js: nothing more is downloaded.
            npm = Path(shutil.which("npm") or "").resolve().parents[1]
            builder, folder = npm / "node_modules/node-gyp/bin/node-gyp.js", target / "node_modules" / DATABASE
            run(str(node()), str(builder), "rebuild", f"--nodedir={node().parents[1]}", cwd=folder)


def installed(name: str, package: str) -> str | None:
    """The installed version of a package, complete with its compiled parts."""
    modules = FOLDER / name / "node_modules"
    file = modules / package / "package.json"
    if not file.exists() or (name == "n8n" and not any((modules / DATABASE / "build").rglob("*.node"))):
        return None
    return str(json.loads(file.read_text(encoding="utf-8"))["version"])


def run(*command: str, cwd: Path) -> None:
    """Run a command of Node.js. Raises LocalError with its errors."""
    env = {**os.environ, "PATH": os.pathsep.join([str(node().parent), os.environ.get("PATH", "")])}
    done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if done.returncode:
        raise LocalError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


def node() -> Path:
    """The interpreter that runs n8n and Node-RED."""
    return FOLDER / "node" / "node_modules" / node_package() / "bin" / "node"


def node_package() -> str:
    return f"node-linux-{MACHINES[platform.machine()]}"


def script(name: str, *parts: str) -> str:
    """The path of a file of an installed package."""
    return str(FOLDER.joinpath(name, "node_modules", name, *parts))
