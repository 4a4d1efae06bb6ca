"""`make sam-local ARGS="invoke …"`: the SAM CLI's `sam local`, in containers that find the local AWS.

A container does not see this machine's 127.0.0.1. It knows the machine as `host.docker.internal`; where that is an
address of this machine (on Linux), what the functions call is forwarded from there.

The image is AWS's own or, where no registry can be reached, one made here: it holds this machine's Python 3.13 with the
libraries it is linked to, Lambda's runtime client, and a bootstrap. Its own name keeps it from standing in for AWS's.
"""

import hashlib
import io
import json
import platform
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import files, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import urlsplit

from devstack import deployment
from devstack.clients import REGION, Emulator
from devstack.deployment import PREFIX
from devstack.relay import forwarded
from devstack.stack import Stack
from devstack.template import read_template
from devstack.workdir import PROJECT, TOOLS, LocalError, Workdir, hold

OWN = Workdir(PROJECT / ".local" / "sam-local")
THIS_MACHINE = "host.docker.internal"
KNOWING_THIS_MACHINE = ("--add-host", f"{THIS_MACHINE}:host-gateway")
ACCOUNT = "000000000000"
CONTAINERS_PREFIX = f"{PREFIX}-containers"

AWS_IMAGE = f"public.ecr.aws/lambda/python:3.13-{deployment.architecture()}"
OWN_IMAGE = f"leadbridge/lambda-python:3.13-{deployment.architecture()}"
RECIPE = "leadbridge.recipe"  # the label that says what an image of our own was made by

CLIENT = ("awslambdaric", "snapshot_restore_py")
SHELL = ("sh", "cp", "mv", "rm", "chmod")  # what SAM's Dockerfile runs in the image
FOR_WHEELS = ("libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1")
SKIPPED = {"__pycache__", "site-packages", "test", "idlelib", "tkinter", "turtledemo", "ensurepip"}
INTERPRETER = Path("/var/lang")
RUNTIME = Path("/var/runtime")
BOOTSTRAP = f"""\
#!/bin/sh
export PYTHONPATH=/var/task:/opt/python:{RUNTIME}
exec {INTERPRETER}/bin/python3.13 -m awslambdaric "$_HANDLER"
"""
SETTINGS = (
    "ENV LANG=C.UTF-8 TZ=:UTC LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime",
    f"ENV PATH={INTERPRETER}/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    f"ENV LD_LIBRARY_PATH={INTERPRETER}/lib:/var/task/lib:/opt/lib",
    "WORKDIR /var/task",
)


@dataclass(frozen=True)
class Surroundings:
    """What functions need: the AWS, URLs of other servers, and each function's environment by logical id."""

    aws: Emulator
    other_urls: tuple[str, ...]
    environments: dict[str, dict[str, str]]

    @classmethod
    def of(cls, stack: Stack) -> Self:
        """Those of a running stack. Its secrets are copied, with URLs for containers."""
        _copy_secrets(stack)
        functions, prefix = stack.client("lambda"), {"SECRETS_PREFIX": CONTAINERS_PREFIX}
        environments = {
            logical_id: functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"] | prefix
            for logical_id, name in stack.resources["AWS::Lambda::Function"].items()
        }
        return cls(stack.aws, (stack.sandbox_url,), environments)


@dataclass(frozen=True)
class SamLocal:
    workdir: Workdir
    image: str
    aws: Emulator

    @property
    def env(self) -> dict[str, str]:
        """The environment of SAM, which calls the emulated AWS."""
        return deployment.sam_env(self.workdir, self.aws)

    def command(self, *words: str) -> list[str]:
        return [
            *(str(TOOLS / "sam"), "local", *words),
            *("--template", str(self.workdir.build / "containers.json")),
            *("--env-vars", str(self.workdir.root / "environments.json")),
            *("--layer-cache-basedir", str(self.workdir.root / "layers")),
            *KNOWING_THIS_MACHINE,
            *("--skip-pull-image", "--invoke-image", self.image),
            *deployment.parameters(),
        ]


@contextmanager
def sam_local(surroundings: Surroundings, workdir: Workdir = OWN) -> Iterator[SamLocal]:
    """Build the input of `sam local`, and make the servers reachable for containers. Raises LocalError."""
    if reason := why_not():
        raise LocalError(f"{reason}, and `sam local` runs functions in containers.")
    with hold(workdir) as lock:
        name = find_image()
        deployment.build(workdir, lock=lock)
        _write_inputs(surroundings, workdir)
        hosts = run_in(name, *KNOWING_THIS_MACHINE, script="while read line; do echo $line; done </etc/hosts")
        lines = [line.split() for line in hosts.splitlines()]
        address = next(words[0] for words in lines if THIS_MACHINE in words[1:])
        ports = [urlsplit(url).port or 80 for url in (surroundings.aws.url, *surroundings.other_urls)]
        with forwarded(address, ports):
            yield SamLocal(workdir, name, surroundings.aws)


def as_containers_see(text: str) -> str:
    return text.replace("127.0.0.1", THIS_MACHINE)


def _write_inputs(surroundings: Surroundings, workdir: Workdir) -> None:
    """The template and the environments. `sam local` passes only declared variables, and does not support aliases."""
    template = read_template(workdir.build / "template.yaml")
    where = {"AWS_ENDPOINT_URL": as_containers_see(surroundings.aws.url)}
    template["Globals"]["Function"]["Environment"]["Variables"] |= where
    (workdir.build / "containers.json").write_text(without_aliases(json.dumps(template)), encoding="utf-8")
    environments = {function: values | where for function, values in surroundings.environments.items()}
    (workdir.root / "environments.json").write_text(as_containers_see(json.dumps(environments)), encoding="utf-8")


def without_aliases(template: str) -> str:
    """Replace references to functions' aliases in JSON by the functions."""
    return re.sub(r'\{"Ref": "(\w+)\.Alias"\}', rf'"arn:aws:lambda:{REGION}:{ACCOUNT}:function:\1"', template)


def _copy_secrets(stack: Stack) -> None:
    manager = stack.client("secretsmanager")
    pages = manager.get_paginator("list_secrets").paginate()
    for name in [secret["Name"] for page in pages for secret in page["SecretList"]]:
        if name.startswith(f"{PREFIX}/"):
            copy = name.replace(PREFIX, CONTAINERS_PREFIX, 1)
            value = as_containers_see(manager.get_secret_value(SecretId=name)["SecretString"])
            with suppress(manager.exceptions.ResourceExistsException):
                manager.create_secret(Name=copy, SecretString=value)
            manager.put_secret_value(SecretId=copy, SecretString=value)


def run_to_its_end(sam: SamLocal, *words: str) -> int:
    """Run a command of `sam local` and return its exit code. It handles signals, because it must remove containers."""
    with subprocess.Popen(sam.command(*words), env=sam.env, cwd=PROJECT) as running:
        signal.signal(signal.SIGINT, lambda *_: None)  # a terminal sends it to both
        signal.signal(signal.SIGTERM, lambda *_: running.terminate())
        return running.wait()


def why_not() -> str | None:
    """The reason why no container can run here; None if Docker runs."""
    if not shutil.which("docker"):
        return "Docker is not installed"
    asked = _docker("version", "--format", "{{.Server.Version}}")
    if asked.returncode:
        return f"Docker does not run: {asked.stderr.strip().splitlines()[-1] if asked.stderr.strip() else 'no answer'}"
    return None


def find_image() -> str:
    """The image for functions, pulled or made. Raises LocalError."""
    if _docker("image", "inspect", AWS_IMAGE).returncode == 0 or _docker("pull", "--quiet", AWS_IMAGE).returncode == 0:
        return AWS_IMAGE
    made_by = _docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{RECIPE}"}}}}', OWN_IMAGE)
    if made_by.stdout.strip() != recipe_of_image():
        _docker("image", "rm", OWN_IMAGE)
        make_image()
    return OWN_IMAGE


def make_image() -> None:
    if platform.system() != "Linux":
        raise LocalError(f"{AWS_IMAGE} cannot be pulled, and one like it can be made on Linux only.")
    changes = [word for change in (*SETTINGS, f"LABEL {RECIPE}={recipe_of_image()}") for word in ("--change", change)]
    with TemporaryDirectory() as folder:
        content = Path(folder) / "root.tar"
        with tarfile.open(content, "w", dereference=True) as root:
            fill_image(root)
        done = _docker("import", *changes, str(content), OWN_IMAGE)
    if done.returncode:
        raise LocalError(f"docker import failed.\n{done.stderr}")


def run_in(image_name: str, *options: str, script: str) -> str:
    """Run a shell script in a container and return its output. Raises LocalError."""
    done = _docker("run", "--rm", *options, "--entrypoint", "/bin/sh", image_name, "-c", script)
    if done.returncode:
        raise LocalError(f"A container of {image_name} failed.\n{done.stderr}")
    return done.stdout


def recipe_of_image() -> str:
    """A digest of everything that decides the content of the image."""
    parts = [Path(__file__).read_text(encoding="utf-8"), sys.version, *(version(name) for name in CLIENT)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def fill_image(root: tarfile.TarFile) -> None:
    """Add all files that a function needs to an image's root."""
    placed: set[Path] = set()

    def place(source: Path, target: Path) -> None:
        if target not in placed:
            placed.add(target)
            root.add(source.resolve(), str(target).lstrip("/"), recursive=False)

    own = Path(sys.base_prefix)
    there = sorted(path for path in own.glob("lib/python3.13/**/*") if path.is_file())
    library = [path for path in there if not _is_skipped(path.relative_to(own))]
    interpreter = [own / "bin" / "python3.13", *own.glob("lib/libpython3*"), *library]
    client = [
        Path(str(file.locate())) for name in CLIENT for file in files(name) or () if ".dist-info" not in str(file)
    ]
    tools = [Path(found) for tool in SHELL if (found := shutil.which(tool, path="/usr/bin:/bin"))]
    for file in interpreter:
        place(file, INTERPRETER / file.relative_to(own))
    for file in client:
        place(file, RUNTIME / Path(*file.parts[file.parts.index("site-packages") + 1 :]))
    for tool in tools:
        place(tool, Path("/bin") / tool.name)
    authorities = Path(ssl.get_default_verify_paths().openssl_cafile)
    for file in [*_libraries([*interpreter, *client, *tools]), *([authorities] if authorities.exists() else [])]:
        place(file, file)
    _write(root, RUNTIME / "bootstrap", BOOTSTRAP, 0o755)
    _write(root, Path("/etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n", 0o644)
    _write(root, Path("/etc/nsswitch.conf"), "hosts: files dns\n", 0o644)
    for folder, mode in {"tmp": 0o1777, "opt": 0o755, "var/task": 0o755, "root": 0o700}.items():
        made = tarfile.TarInfo(folder)
        made.type, made.mode = tarfile.DIRTYPE, mode
        root.addfile(made)


def _is_skipped(path: Path) -> bool:
    return path.suffix == ".a" or any(part in SKIPPED or part.startswith("config-") for part in path.parts)


def _libraries(binaries: list[Path]) -> set[Path]:
    """The shared libraries of the binaries, including the loader, and those that wheels require."""
    linked = [file for file in binaries if file.suffix == ".so" or ".so." in file.name or not file.suffix]
    linked_to = subprocess.run(["ldd", *map(str, linked)], capture_output=True, text=True, check=False).stdout
    found = {Path(path) for path in re.findall(r"(?:=> |^\s+)(/\S+) \(0x", linked_to, re.MULTILINE)}
    folders = {path.parent for path in found if path.name.startswith("libc.so")}
    expected = {folder / name for folder in folders for name in FOR_WHEELS}
    return {path for path in found | expected if path.exists() and not path.is_relative_to(sys.base_prefix)}


def _write(root: tarfile.TarFile, target: Path, text: str, mode: int) -> None:
    content = text.encode()
    entry = tarfile.TarInfo(str(target).lstrip("/"))
    entry.size, entry.mode = len(content), mode
    root.addfile(entry, io.BytesIO(content))


def _docker(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
