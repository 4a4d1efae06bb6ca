"""The deployed stack as a run uses it: its secrets, its operators' API, its processes, its partners behind a proxy."""

import json
import os
import re
import signal
import socket
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlencode, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from devstack.commands.api import Operator, ask
from devstack.deployment import ALIAS, STACK_NAME
from devstack.relay import Relay
from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from devstack.services import scheduled_event
from devstack.stack import Stack
from devstack.workdir import PROJECT, Workdir, choose_port
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Delivery
from leadbridge.settings import Settings
from quality.chaos.operator import CHECK, RESOLVE, SHARES
from quality.chaos.partner_faults import DOWN, SLOW
from quality.chaos.people import DEPLOYED, Post, posts
from quality.chaos.reading import Stores
from quality.chaos.world import OnAnswer, World
from quality.testkit.wiring import queues
from tools.config import read_toml

HOME = Workdir(PROJECT / ".local" / "chaos-stack")
PROC = Path("/proc")
OPERATORS_FUNCTIONS = ("manage-leads", "authorize")
FUNCTION = f"AWS_LAMBDA_FUNCTION_NAME={STACK_NAME}-"
VISIBILITY_TIMEOUT = 25  # seconds, of the queues of a run, instead of the six minutes of the template
POST_TIMEOUT = 180.0  # seconds in which a form's post must be accepted
AFTERMATH = 10.0  # seconds for which a killed worker explains an answer
CREATE_TIMEOUT = timedelta(seconds=12)  # after which no create call is still running
READ_WITHIN = 2.0  # seconds that a status check has in its queue
SOON = timedelta(seconds=12)
ORDERED = frozenset({"local-order"})  # the sources that try the broker after the lender


def find_workers(root: Path) -> dict[str, list[int]]:
    """The worker processes of the stack in a directory by function, without the common prefix; none without /proc."""
    found: dict[str, list[int]] = defaultdict(list)
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):
            environment = (process / "environ").read_text(errors="replace")
            function = re.search(rf"(?:^|\0){FUNCTION}([\w-]+)", environment)
            if function and str(root) in environment:
                found[function[1]].append(int(process.name))
    return dict(found)


class PartnerProxy(Relay):
    """A proxy of the sandbox, which keeps its state in memory. A run closes the proxy with all its connections."""

    def __init__(self, port: int, url: str) -> None:
        self.connections: list[socket.socket] = []
        super().__init__(("127.0.0.1", port), (urlsplit(url).hostname or "", urlsplit(url).port or 80))
        Thread(target=self.serve_forever, name="proxy", daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.append(request)
        super().process_request(request, client_address)

    def kill(self) -> None:
        """Connections break in the middle, new ones are refused, and what was processed stays."""
        self.shutdown()
        self.server_close()
        for connection in self.connections:
            with suppress(OSError):  # it is closed
                connection.shutdown(socket.SHUT_RDWR)


class DeployedStack(World):
    """`lock` guards what several threads change."""

    shares = SHARES | {"erase": 12, "write": 20, "settle": 12, "add": 0}
    faults = DOWN | SLOW
    send_window = timedelta(seconds=30)  # more than a call to Leeloo takes on a busy machine
    is_in_real_time = True

    def __init__(self, stack: Stack, seed: int) -> None:
        people = posts(Random(seed + 1), f"{seed & 0xFFFFFF:x}", ORDERED, DEPLOYED)
        local = Settings.model_validate(read_toml(PROJECT / "config", "local"))
        super().__init__(Remote(stack.sandbox_url), local, Random(seed + 2), people, Random(seed + 4))
        self.stack, self.api, self.proxy_port = stack, Operator(stack), choose_port()
        self.proxy: PartnerProxy | None = None
        urls = [
            {name: self.outputs[f"{queue}Url"] for name, queue in queues(kind).items()}
            for kind in ("QUEUES", "DEAD_LETTER_QUEUES")
        ]
        self.stores = Stores(stack.client("dynamodb"), stack.client("sqs"), self.outputs["TableName"], *urls)
        self.secrets_manager, self.now = stack.client("secretsmanager"), lambda: datetime.now(UTC)
        self.lock = Lock()
        self.killed_at, self.deaths = -AFTERMATH, 0

    def prepare(self, pace: float) -> None:
        """Route partner calls through the proxy, and shorten the visibility timeouts."""
        self.open_proxy()
        for name in (*profiles(), "leeloo", "sources"):
            self.put_secret(name, self.secret(name))
        self.put_tracker(self.secret("feedback"))
        attributes = {"VisibilityTimeout": str(VISIBILITY_TIMEOUT)}
        for url in self.stores.queues.values():
            self.stores.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)
        self.partner.reset()
        self.partner.post("pace", {"seconds": pace})

    def open_proxy(self) -> None:
        if self.proxy is None:
            self.proxy = PartnerProxy(self.proxy_port, self.stack.sandbox_url)

    def kill_proxy(self) -> None:
        """All partners become unreachable."""
        if self.proxy is not None:
            self.counters.add("partners' proxy closed")
            self.proxy.kill()
            self.proxy = None

    @cached_property
    def outputs(self) -> dict[str, str]:
        (found,) = self.stack.client("cloudformation").describe_stacks(StackName=self.stack.stack_name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        """Store a secret, with the proxy's address instead of the sandbox's."""
        proxy = f"http://127.0.0.1:{self.proxy_port}"
        super().put_secret(name, json.loads(json.dumps(value).replace(self.stack.sandbox_url, proxy)))

    def can_be_settled(self, delivery: Delivery) -> bool:
        return self.now() - (delivery.last_attempt_at or delivery.received_at) > CREATE_TIMEOUT

    def read_status(self, delivery: Delivery, reader: str) -> None:
        if reader == "none":
            time.sleep(0.5)
            return
        if reader == "sync":
            self.invoke("SyncAccounts", scheduled_event())
        else:
            self.call("POST", CHECK, place={"lead_id": delivery.lead_id, "partner": delivery.partner})
        time.sleep(self.aside.uniform(0, READ_WITHIN))

    def invoke(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function and ignore its result."""
        name = self.stack.resources["AWS::Lambda::Function"][function]
        with suppress(BotoCoreError, ClientError):
            self.stack.client("lambda").invoke(FunctionName=f"{name}:{ALIAS}", Payload=json.dumps(event))

    def post(self, post: Post) -> None:
        """Post as a form builder does, with retries, until the post is accepted or refused."""
        ends = time.monotonic() + POST_TIMEOUT
        while time.monotonic() < ends:
            secret = self.aside.choice(self.secret("sources")[post.source]["secrets"])
            request = post.proven(secret, self.now())
            query = f"?{urlencode(request.query)}" if request.query else ""
            try:
                url = f"{self.stack.api_url}/webhooks/{post.source}{query}"
                answer = ask("POST", url, headers=request.headers, body=request.body)
            except HTTPError:
                continue
            with self.lock:
                if self.record_answer(post, answer.status, answer.content):
                    return
            if 400 <= answer.status < 500 and answer.status not in {401, 429}:
                raise AssertionError(f"{post.source} was answered {answer.status}: {answer.content}")
            time.sleep(0.5)
        raise AssertionError(f"{post.post_id} was not accepted in {POST_TIMEOUT:g} s")

    def request(self, method: str, resource: str, body: Any, place: dict[str, str] | None, on: OnAnswer) -> None:
        """A call without any answer is counted and not judged. The API answers 5xx when a function fails or times out,
        and the client waits for longer than that, so only the emulator leaves a call unanswered: when it waits for a
        worker that was killed. The final probe requires an answer to every call.
        """
        began = time.monotonic()
        try:
            answer = self.api.call(method, resource.format(**(place or {})), body)
        except HTTPError:
            self.counters.add("operators' calls without an answer")
            on(0, "", True)
            return
        status = answer.status
        # A resolution asks the partner; without its answer nothing is stored.
        is_explained = (resource == RESOLVE and status == 503) or (status >= 500 and self._explains(began))
        on(status, answer.content.get("detail"), is_explained)

    def kill_worker(self) -> None:
        """Kill one of the functions' processes."""
        workers = find_workers(HOME.root)
        if not workers:
            return
        function = self.aside.choice(sorted(workers))
        if function in OPERATORS_FUNCTIONS:
            with self.lock:
                self.killed_at, self.deaths = time.monotonic(), self.deaths + 1
        with suppress(ProcessLookupError):
            os.kill(self.aside.choice(workers[function]), signal.SIGKILL)
            self.counters.add(f"killed {function}")

    def _explains(self, since: float) -> bool:
        """Whether a killed worker explains the failure of a call that began then.

        The emulator notices a dead worker only when it calls it, at any later time. Each death explains one failure.
        """
        with self.lock:
            if self.killed_at >= since - AFTERMATH:
                return True
            self.deaths -= (is_explained := self.deaths > 0)
            return is_explained

    def stop_faults(self) -> None:
        """Also make the emulator find every dead worker of the operators' functions."""
        self.open_proxy()
        for _ in range(self.deaths):
            self.call("GET", "/leads")
        super().stop_faults()
        self.operator.redrive_all()

    def bring_due_dates_near(self) -> None:
        """A lost message is repeated when its item is due, in a quarter of an hour or more. Bring that near."""
        now, soon = to_text(self.now()), to_text(self.now() + SOON)
        for values in self.stores.table_items():
            waits = values.get("state") in {"received", "pending"} or values.get("checks_failed", 0) > 0
            if not waits or values.get("due_at", "") <= soon or values.get("next_attempt_at", "") > now:
                continue
            with suppress(ClientError):
                self.stores.dynamodb.update_item(
                    TableName=self.stores.table,
                    Key={"pk": {"S": values["pk"]}, "sk": {"S": values["sk"]}},
                    UpdateExpression="SET due_at = :soon",
                    ConditionExpression="due_at = :seen AND version = :version",
                    ExpressionAttributeValues={
                        ":soon": {"S": soon},
                        ":seen": {"S": values["due_at"]},
                        ":version": {"N": str(values["version"])},
                    },
                )
