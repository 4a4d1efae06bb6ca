"""The supervisor process of a local stack: starts the servers, watches them, and stops them."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from time import monotonic, sleep
from types import FrameType
from typing import NoReturn

from devstack import deployment, services
from devstack.clients import REGION, answers
from devstack.sandbox.partner import write_private
from devstack.scheduler import call_periodically
from devstack.seed import seed
from devstack.stack import Stack
from devstack.workdir import LocalError, Workdir, choose_port, hold, wait_until

logger = logging.getLogger(__name__)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


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
        with hold(workdir) as lock, running(workdir, lock) as watch:
            watch()
    except Stopped:
        logger.info("stopped")
    except LocalError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text is the whole story
        return 1
    return 0


@contextmanager
def running(workdir: Workdir, lock: int) -> Iterator[Callable[[], NoReturn]]:
    """A complete, running stack. Yields the function that watches it, which returns only by raising."""
    began = monotonic()
    os.dup(lock)  # never closed: the workdir is free when this process is gone, not a moment before
    workdir.stack_file.unlink(missing_ok=True)
    workdir.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        port = choose_port(os.environ.get("LEADBRIDGE_PORT"))
        logger.info("starting the AWS emulator and the partner sandbox")
        sandbox_url, sandbox = held.enter_context(services.sandbox(workdir, lock=lock))
        aws, emulator = held.enter_context(services.emulator(workdir, port, lock=lock))
        logger.info("building the template")
        if not deployment.build(workdir, lock=lock):
            logger.info("nothing has changed since the last build")
        logger.info("deploying it")
        resources = deployment.deploy(workdir, aws, lock=lock)
        api_url = deployment.api_url_of(aws, resources)
        operator_token = seed(workdir, aws, sandbox_url)
        logger.info("waiting for the first answer")
        wait_until(
            lambda: emulator.runs() and answers(f"{api_url}/health"),
            timeout=60,
            otherwise=f"{api_url}/health did not answer 200 in 60 s. See {emulator.log}.",
            interval=0.5,
        )
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

        def watch() -> NoReturn:
            while True:
                emulator.runs()  # raises if it does not
                sandbox.runs()
                sleep(0.5)

        yield watch


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Turn the first signal into Stopped. Later ones are ignored."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise Stopped


def _wait_for_the_end() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
