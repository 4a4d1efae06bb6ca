"""The deployed stack as a run uses it: its clients, its secrets, its operators' API, its partners behind a proxy."""

import json
import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from urllib3.exceptions import HTTPError

from devstack.commands.api import Answer, ask
from devstack.deployment import PREFIX
from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from devstack.scheduler import scheduled_event
from devstack.seed import source_secret
from devstack.stack import Stack
from devstack.workdir import PROJECT
from leadbridge.domain.clock import to_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.settings import Settings
from quality.chaos.deployed.processes import PartnerProxy, Processes
from quality.chaos.deployed.repeats import Repeats
from quality.chaos.operator import ALLOWED_STATUSES, CHECK, RESOLVE, SHARES, OnStatus, ignore
from quality.chaos.partner_faults import DOWN, SLOW
from quality.chaos.people import DEPLOYED, Post, posts
from quality.chaos.reading import Stores
from quality.chaos.records import Posted
from quality.chaos.world import World
from quality.testkit.wiring import queues
from tools.config import read_toml

VISIBILITY_TIMEOUT = 25  # seconds, of the queues of a run, instead of the six minutes of the template
POST_TIMEOUT = 60.0  # seconds in which a form's post must be accepted
AFTERMATH = 10.0  # seconds for which a fault of AWS or of a function explains an answer
ADDRESSES = ("base_url", "auth_url", "graph_url")
CREATE_TIMEOUT = timedelta(seconds=12)  # after which no create call is still running
READ_WITHIN = 2.0  # seconds that a status check has in its queue
SOON = timedelta(seconds=12)
ORDERED = frozenset({"local-order"})  # the sources that try the broker after the lender
LISTED = (State.UNKNOWN, State.REJECTED, State.FAILED, State.DUPLICATE, State.SKIPPED)


class DeployedStack(World):
    """`lock` guards what several threads change."""

    shares = SHARES | {"erase": 12, "write": 20, "settle": 12, "add": 0}
    faults = DOWN | SLOW
    send_window = timedelta(seconds=30)  # more than a call to Leeloo takes on a busy machine
    is_in_real_time = True

    def __init__(self, stack: Stack, seed: int) -> None:
        self.stack, self.plan_random = stack, Random(seed)
        people = posts(Random(seed + 1), f"{seed & 0xFFFFFF:x}", ORDERED, DEPLOYED)
        local = Settings.model_validate(read_toml(PROJECT / "config", "local"))
        super().__init__(Remote(stack.sandbox_url), local, Random(seed + 2), people, Random(seed + 4))
        self.proxy, self.processes = PartnerProxy(stack.sandbox_url), Processes(stack.pid)
        urls = [
            {name: self.outputs[f"{queue}Url"] for name, queue in queues(kind).items()}
            for kind in ("QUEUES", "DEAD_LETTER_QUEUES")
        ]
        self.stores = Stores(stack.client("dynamodb"), stack.client("sqs"), self.outputs["TableName"], *urls)
        self.repeats = Repeats(self, Random(seed + 3))
        self.lock = Lock()
        self.disturbed_at, self.deaths = -AFTERMATH, 0

    def prepare(self, pace: float) -> None:
        """Route partner calls through the proxy, and shorten the visibility timeouts."""
        self.proxy.open()
        for name in (*profiles(), "leeloo", "sources"):
            self.put_secret(name, self.secret(name))
        self.put_tracker(self.secret("feedback"))
        for url in self.stores.queues.values():
            self.stores.sqs.set_queue_attributes(
                QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY_TIMEOUT)}
            )
        self.partner.reset()
        self.partner.set_pace(pace)

    @cached_property
    def outputs(self) -> dict[str, str]:
        (found,) = self.stack.client("cloudformation").describe_stacks(StackName=self.stack.stack_name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    def now(self) -> datetime:
        return datetime.now(UTC)

    def waiting(self) -> dict[str, int]:
        return self.stores.waiting()

    def secret(self, name: str) -> dict[str, Any]:
        manager = self.stack.client("secretsmanager")
        return dict(json.loads(manager.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"]))

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        text = json.dumps(self._through_proxy(value))
        self.stack.client("secretsmanager").put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=text)

    def new_source_secret(self) -> str:
        return str(source_secret("standard_webhooks")["secrets"][0])

    def _through_proxy(self, value: Any, name: str = "") -> Any:
        """Replace the sandbox's address in a secret by the proxy's."""
        if isinstance(value, dict):
            return {key: self._through_proxy(one, key) for key, one in value.items()}
        return value.replace(self.stack.sandbox_url, self.proxy.address) if name in ADDRESSES else value

    def can_be_settled(self, delivery: Delivery) -> bool:
        return self.now() - (delivery.last_attempt_at or delivery.received_at) > CREATE_TIMEOUT

    def to_settle(self, posted: Posted) -> Iterable[Posted]:  # noqa: ARG002
        """A few of the leads in the lists of unknown, rejected, failed and duplicate ones."""
        people = {one.lead_id: one for one in list(self.posted)}
        for state in LISTED:
            answer = self._request("GET", "/leads", f"/leads?status={state.value}&limit=20")
            listed = [] if answer is None else answer.content.get("leads", [])
            chosen = self.aside.sample(listed, min(3, len(listed)))
            yield from (people[lead["lead_id"]] for lead in chosen if lead["lead_id"] in people)

    def read_status(self, delivery: Delivery, reader: str) -> None:
        if reader == "none":
            time.sleep(0.5)
            return
        if reader == "sync":
            self.repeats.call("SyncAccounts", scheduled_event())
        else:
            self.call("POST", CHECK, place={"lead_id": delivery.lead_id, "partner": delivery.partner})
        time.sleep(self.aside.uniform(0, READ_WITHIN))

    def post(self, post: Post) -> bool:
        """Post as a form builder does, with retries. Returns whether it was accepted or refused in `POST_TIMEOUT`."""
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
                    return True
            if 400 <= answer.status < 500 and answer.status not in {401, 429}:
                raise AssertionError(f"{post.source} was answered {answer.status}: {answer.content}")
            time.sleep(0.5)
        return False

    def call(
        self,
        method: str,
        resource: str,
        body: Any = None,
        place: dict[str, str] | None = None,
        *,
        on: OnStatus = ignore,
        allowed: frozenset[int] = ALLOWED_STATUSES,
    ) -> None:
        answer = self._request(method, resource, resource.format(**(place or {})), body, allowed)
        on(0 if answer is None else answer.status)

    def _request(
        self, method: str, resource: str, path: str, body: Any = None, allowed: frozenset[int] = ALLOWED_STATUSES
    ) -> Answer | None:
        """The answer. An unexpected one counts as a failure, unless a fault of this run explains it.

        A call without any answer is counted and not judged. The API answers 5xx when a function fails or times out, and
        the client waits for longer than that, so only the emulator leaves a call unanswered: when it waits for a worker
        that was killed. The final probe requires an answer to every call.
        """
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {self.stack.operator_token}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        try:
            answer = ask(method, self.stack.api_url + path, headers=headers, body=content)
        except HTTPError:
            self.counters.add("operators' calls without an answer")
            return None
        self.counters.add(f"operators answered {answer.status}")
        if resource == RESOLVE and answer.status == 503:
            return answer  # the partner does not answer now, and nothing was stored
        if answer.status not in allowed and not (answer.status >= 500 and self._explains(began)):
            self.counters.fail(f"{method} {resource}", f"answered {answer.status}: {answer.content.get('detail')}")
        return answer

    def disturb(self, *, is_death: bool = False) -> None:
        """Record a fault that affects the operators' functions."""
        with self.lock:
            self.disturbed_at = time.monotonic()
            self.deaths += is_death

    def _explains(self, since: float) -> bool:
        """Whether a recorded fault explains the failure of a call that began then.

        The emulator notices a dead worker only when it calls it, at any later time. Each death explains one failure.
        """
        with self.lock:
            if self.disturbed_at >= since - AFTERMATH:
                return True
            if self.deaths == 0:
                return False
            self.deaths -= 1
            return True

    def stop_faults(self) -> None:
        """Also make the emulator find every dead worker of the operators' functions."""
        self.proxy.open()
        for _ in range(self.deaths):
            self.call("GET", "/leads")
        super().stop_faults()
        self.operator.redrive_all()

    def bring_due_dates_near(self) -> None:
        """A lost message is repeated when its item is due, in a quarter of an hour or more. Bring that near."""
        now = self.now()
        for values in self.stores.table_items():
            waits = values.get("state") in {"received", "pending"} or values.get("checks_failed", 0) > 0
            is_near = not waits or values.get("due_at", "") <= to_text(now + SOON)
            if is_near or values.get("next_attempt_at", "") > to_text(now):
                continue
            with suppress(ClientError):
                self.stores.dynamodb.update_item(
                    TableName=self.stores.table,
                    Key={"pk": {"S": values["pk"]}, "sk": {"S": values["sk"]}},
                    UpdateExpression="SET due_at = :now",
                    ConditionExpression="due_at = :seen AND version = :version",
                    ExpressionAttributeValues={
                        ":now": {"S": to_text(now + SOON)},
                        ":seen": {"S": values["due_at"]},
                        ":version": {"N": str(values["version"])},
                    },
                )
