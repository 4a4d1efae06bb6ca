"""The servers of a local stack, its schedules, and the supervisor that starts, watches and stops them."""

import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from time import monotonic, sleep
from types import FrameType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from devstack import deployment, partners
from devstack.clients import CREDENTIALS, NOTHING_OF_THE_USERS, REGION, Emulator
from devstack.processes import Child, guarded
from devstack.sandbox.partner import write_private
from devstack.seed import seed
from devstack.stack import Stack
from devstack.workdir import PROJECT, TOOLS, LocalError, Workdir, choose_port, hold

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
EMULATOR_GRACE = 1.0  # seconds to stop; it waits for its threads for longer, and all its files are deleted
# Seconds after the last result. The emulator's own schedules have a minimum of a minute.
INTERVALS = {"FindDue": 2.0, "SyncAccounts": 5.0}
OFF = "LEADBRIDGE_WITHOUT_SCHEDULER"  # the variable for a stack whose tests call the functions while they wait


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
            child.wait_for_answer(f"{url}/_ministack/health")
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
        child.wait_for_answer(f"{url}/control/faults")
        yield url, child


@contextmanager
def call_periodically(aws: Emulator, functions: dict[str, str]) -> Iterator[None]:
    """Call scheduled functions, by their logical ids, each its interval after its last result, while the block runs."""
    is_over = threading.Event()

    def run(name: str, interval: float) -> None:
        call = caller(aws, name)
        while not is_over.is_set():
            try:
                call()
            except (BotoCoreError, ClientError) as error:
                if not is_over.is_set():
                    logger.warning("%s could not be called: %s", name, error)
            is_over.wait(interval)

    for function, interval in INTERVALS.items() if not os.environ.get(OFF) else ():
        threading.Thread(target=run, args=(functions[function], interval), name="scheduler", daemon=True).start()
    try:
        yield
    finally:
        is_over.set()


def caller(aws: Emulator, function: str) -> Callable[[], object]:
    """Return what calls a scheduled function and waits for its result. Raises BotoCoreError and ClientError."""
    functions = aws.client("lambda")
    return lambda: functions.invoke(FunctionName=function, Payload=json.dumps(scheduled_event()))


def scheduled_event() -> dict[str, Any]:
    """The event of a schedule. The functions read nothing of it."""
    return dict(json.loads((PROJECT / "events" / "find_due" / "tick.json").read_bytes()))


class Stopped(BaseException):
    """The stack must stop. Not an Exception, so that no handler of failures catches it."""


def supervise(workdir: Workdir, *, has_lifeline: bool = False) -> int:
    """Run a stack in this process until a signal, or with a lifeline the end of standard input. Returns 0 then."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    for number in SIGNALS:
        signal.signal(number, _stop)
    if has_lifeline:
        threading.Thread(target=_wait_for_the_end, name="lifeline", daemon=True).start()
    try:
        with hold(workdir) as lock:
            _run(workdir, lock)
    except Stopped:
        logger.info("stopped")
    except LocalError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text is the whole story
        return 1
    return 0


def _run(workdir: Workdir, lock: int) -> None:
    """Run a complete stack until Stopped, or LocalError from a part that ends."""
    began = monotonic()
    os.dup(lock)  # never closed: the workdir is free when this process is gone, not a moment before
    workdir.stack_file.unlink(missing_ok=True)
    workdir.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        port = choose_port(os.environ.get("LEADBRIDGE_PORT"))
        logger.info("starting the AWS emulator and the partner sandbox")
        sandbox_url, partners_child = held.enter_context(sandbox(workdir, lock=lock))
        aws, aws_child = held.enter_context(emulator(workdir, port, lock=lock))
        logger.info("building the template")
        if not deployment.build(workdir, lock=lock):
            logger.info("nothing has changed since the last build")
        logger.info("deploying it")
        resources = deployment.deploy(workdir, aws, lock=lock)
        api_url = deployment.api_url_of(aws, resources)
        operator_token = seed(workdir, aws, sandbox_url)
        logger.info("waiting for the first answer")
        aws_child.wait_for_answer(f"{api_url}/health")
        deployment.warm_up(aws, api_url, operator_token)
        functions = resources["AWS::Lambda::Function"].items()
        held.enter_context(call_periodically(aws, {one: f"{name}:{deployment.ALIAS}" for one, name in functions}))
        stack = Stack(
            api_url=api_url,
            console_url=f"{api_url}/console",
            aws_endpoint_url=aws.url,
            region=REGION,
            stack_name=deployment.STACK_NAME,
            sandbox_url=sandbox_url,
            operator_token=operator_token,
            pid=os.getpid(),
            fingerprint=(workdir.build / "fingerprint").read_text(),
        )
        held.callback(workdir.stack_file.unlink, missing_ok=True)
        write_private(workdir.stack_file, asdict(stack))
        logger.info("ready after %.0f s", monotonic() - began)
        while aws_child.runs() and partners_child.runs():
            sleep(0.5)


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Turn the first signal into Stopped. Later ones are ignored."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _wait_for_the_end() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
