"""The servers of a local stack: the AWS emulator and the partners' sandbox."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack import partners
from devstack.clients import CREDENTIALS, NOTHING_OF_THE_USERS, REGION, Emulator, answers
from devstack.processes import Child, guarded
from devstack.workdir import TOOLS, LocalError, Workdir, choose_port, wait_until

EMULATOR_GRACE = 1.0  # seconds to stop; it waits for its threads for longer, and all its files are deleted


@contextmanager
def emulator(workdir: Workdir, port: int, *, lock: int) -> Iterator[tuple[Emulator, Child]]:
    """Run MiniStack while the block runs. It starts empty: the stream of a restored table omits changes."""
    if not (TOOLS / "ministack").exists():
        raise LocalError("The local tools are not installed: `make install` does that.")
    url = f"http://127.0.0.1:{port}"
    shutil.rmtree(workdir.emulator, ignore_errors=True)
    command = [str(TOOLS / "python"), str(Path(__file__).with_name("ministack_main.py"))]
    env, log = emulator_env(workdir, port), workdir.log("ministack")
    try:
        with guarded("The AWS emulator", command, env=env, log=log, lock=lock, grace=EMULATOR_GRACE) as child:
            wait_until(
                lambda: child.runs() and answers(f"{url}/_ministack/health"),
                timeout=60,
                otherwise=f"The AWS emulator did not answer on port {port} in 60 s. See {child.log}.",
            )
            yield Emulator(url), child
    finally:
        shutil.rmtree(workdir.emulator, ignore_errors=True)  # the unpacked layers are there, some 80 MB


def emulator_env(workdir: Workdir, port: int) -> dict[str, str]:
    """The whole environment of the emulator. The functions inherit it, so it is as small as Lambda's."""
    scratch = workdir.emulator / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    return {
        "PATH": os.pathsep.join([str(TOOLS), "/usr/bin", "/bin"]),
        "HOME": str(workdir.emulator),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": REGION,
        "AUTH": "true",  # a function may do what its role's policies allow, and nothing else
        "LAMBDA_WARM_TTL_SECONDS": "300",  # a start costs a second of processor time
        "IOT_MTLS_ENABLED": "0",  # it would listen on every address
        "SFTP_ENABLED": "0",
        "STATE_DIR": str(workdir.emulator / "state"),
        "S3_DATA_DIR": str(workdir.emulator / "s3"),
        "AWS_DEFAULT_REGION": REGION,
        **CREDENTIALS,
        **NOTHING_OF_THE_USERS,
    }


@contextmanager
def sandbox(workdir: Workdir, *, lock: int) -> Iterator[tuple[str, Child]]:
    """Run the partners' sandbox while the block runs. Yields its URL."""
    port = choose_port()
    command = [sys.executable, "-m", "devstack.sandbox", "--port", str(port), "--state-dir", str(workdir.sandbox)]
    command += ["--partners", str(partners.FILE)]
    url, log = f"http://127.0.0.1:{port}", workdir.log("sandbox")
    with guarded("The partner sandbox", command, env=os.environ, log=log, lock=lock) as child:
        wait_until(
            lambda: child.runs() and answers(f"{url}/control/faults"),
            timeout=30,
            otherwise=f"The partner sandbox did not answer on port {port} in 30 s. See {child.log}.",
        )
        yield url, child
