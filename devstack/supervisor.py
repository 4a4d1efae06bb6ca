"""The one process that holds a local stack: it starts the parts, watches them, and stops them all."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic, sleep
from types import FrameType
from typing import NoReturn

from devstack import deployment, services
from devstack.clients import REGION, answers, forget_credentials
from devstack.scheduler import pacemaker
from devstack.seed import seed, write_private
from devstack.stack import Stack
from devstack.workdir import Home, LocalError, choose_port, hold, wait_until

logger = logging.getLogger(__name__)

PULSE = {"FindDue": 2.0, "SyncAccounts": 5.0}  # seconds from a scheduled function's answer to its next call


class Stopped(BaseException):
    """Someone wants the stack to stop. Not an Exception, so that nothing on the way takes it for a failure."""


def supervise(home: Home, *, port: str | None = None, has_lifeline: bool = False) -> int:
    """Run a stack in this process until it is told to stop; 0 if that is how it ended.

    With a lifeline, the end of standard input means that whoever started the stack is gone.
    """
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    forget_credentials()
    try:
        with stoppable(has_lifeline=has_lifeline), hold(home) as lock, running(home, port, lock) as watch:
            watch()
    except Stopped:
        logger.info("stopped")
        return 0
    except LocalError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text is the whole story
        return 1
    return 0


@contextmanager
def running(home: Home, wanted_port: str | None, lock: int) -> Iterator[Callable[[], NoReturn]]:
    """A stack, complete and answering. Yields what watches it and returns only by raising."""
    began = monotonic()
    os.dup(lock)  # never closed: the home is free when this process is gone, not a moment before
    home.stack_file.unlink(missing_ok=True)
    home.logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        port = choose_port(wanted_port)
        logger.info("starting the AWS emulator and the partner sandbox")
        sandbox_url, sandbox = held.enter_context(services.sandbox(home, lock=lock))
        aws, emulator = held.enter_context(services.emulator(home, port, lock=lock))
        logger.info("building the template")
        if not deployment.build(home, lock=lock):
            logger.info("nothing has changed since the last build")
        logger.info("deploying it")
        deployed = deployment.deploy(home, aws, lock=lock)
        operator_token = seed(home, aws, sandbox_url)
        logger.info("waiting for the first answer")
        wait_until(
            lambda: emulator.runs() and answers(f"{deployed.api_url}/health"),
            timeout=60,
            otherwise=f"{deployed.api_url}/health did not answer 200 in 60 s. See {emulator.log}.",
            interval=0.5,
        )
        deployment.warm_up(deployed, operator_token)
        for function, interval in PULSE.items():
            if function in deployed.functions:
                held.enter_context(pacemaker(aws, deployed.functions[function], interval=interval))
        stack = Stack(
            api_url=deployed.api_url,
            console_url=f"{deployed.api_url}/console",
            aws_endpoint_url=aws.url,
            region=REGION,
            stack_name=deployment.STACK_NAME,
            sandbox_url=sandbox_url,
            operator_token=operator_token,
            pid=os.getpid(),
            fingerprint=(home.build / "fingerprint").read_text(),
        )
        held.callback(home.stack_file.unlink, missing_ok=True)
        write_private(home.stack_file, stack.as_json())
        logger.info("ready after %.0f s", monotonic() - began)

        def watch() -> NoReturn:
            while emulator.runs() and sandbox.runs():
                sleep(0.5)
            raise AssertionError("a part that does not run says so itself")

        yield watch


@contextmanager
def stoppable(*, has_lifeline: bool) -> Iterator[None]:
    """Turn the first signal to stop, or the lifeline's end, into Stopped; the way out is not interrupted again."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in numbers:
        signal.signal(number, stop)

    def wait_for_the_end() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    if has_lifeline:
        threading.Thread(target=wait_for_the_end, name="lifeline", daemon=True).start()
    yield
