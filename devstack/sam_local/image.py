"""The image that `sam local` runs functions in: AWS's own or, where no registry can be reached, one made here.

The one made here holds this machine's Python 3.13 with the libraries it is linked to, Lambda's runtime client, and a
bootstrap. It has a name of its own, so that it never stands in for AWS's where that can be had.
"""

import hashlib
import io
import platform
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
from importlib.metadata import files, version
from pathlib import Path
from tempfile import TemporaryDirectory

from devstack.deployment import architecture
from devstack.workdir import LocalError

AWS_IMAGE = f"public.ecr.aws/lambda/python:3.13-{architecture()}"
OWN_IMAGE = f"leadbridge/lambda-python:3.13-{architecture()}"
RECIPE = "leadbridge.recipe"  # the label that says what an image of our own was made by

CLIENT = ("awslambdaric", "snapshot_restore_py")
TOOLS = ("sh", "cp", "mv", "rm", "chmod")  # what SAM's Dockerfile runs in the image
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


def why_not() -> str | None:
    """The reason why no container can run here; None if Docker runs."""
    if not shutil.which("docker"):
        return "Docker is not installed"
    asked = _docker("version", "--format", "{{.Server.Version}}")
    if asked.returncode:
        return f"Docker does not run: {asked.stderr.strip().splitlines()[-1] if asked.stderr.strip() else 'no answer'}"
    return None


def image() -> str:
    """The image for functions, pulled or made. Raises LocalError."""
    if _docker("image", "inspect", AWS_IMAGE).returncode == 0 or _docker("pull", "--quiet", AWS_IMAGE).returncode == 0:
        return AWS_IMAGE
    made_by = _docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{RECIPE}"}}}}', OWN_IMAGE)
    if made_by.stdout.strip() != recipe():
        _docker("image", "rm", OWN_IMAGE)
        make()
    return OWN_IMAGE


def make() -> None:
    if platform.system() != "Linux":
        raise LocalError(f"{AWS_IMAGE} cannot be pulled, and one like it can be made on Linux only.")
    changes = [word for change in (*SETTINGS, f"LABEL {RECIPE}={recipe()}") for word in ("--change", change)]
    with TemporaryDirectory() as folder:
        content = Path(folder) / "root.tar"
        with tarfile.open(content, "w", dereference=True) as root:
            fill(root)
        done = _docker("import", *changes, str(content), OWN_IMAGE)
    if done.returncode:
        raise LocalError(f"docker import failed.\n{done.stderr}")


def run_in(image_name: str, *options: str, script: str) -> str:
    """Run a shell script in a container and return its output. Raises LocalError."""
    done = _docker("run", "--rm", *options, "--entrypoint", "/bin/sh", image_name, "-c", script)
    if done.returncode:
        raise LocalError(f"A container of {image_name} failed.\n{done.stderr}")
    return done.stdout


def recipe() -> str:
    """A digest of everything that decides the content of the image."""
    parts = [Path(__file__).read_text(encoding="utf-8"), sys.version, *(version(name) for name in CLIENT)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def fill(root: tarfile.TarFile) -> None:
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
    tools = [Path(found) for tool in TOOLS if (found := shutil.which(tool, path="/usr/bin:/bin"))]
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
