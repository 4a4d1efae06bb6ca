"""The deployed stack as a run uses it: its clients, its secrets, and its partners behind a proxy."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from devstack.commands.api import ask
from devstack.deployment import PREFIX
from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from devstack.seed import source_secret
from devstack.stack import Stack
from devstack.workdir import PROJECT
from leadbridge.settings import Settings
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.chaos.deployed.partner_proxy import PartnerProxy
from quality.chaos.deployed.processes import Processes
from quality.chaos.partner_faults import Refusals
from quality.chaos.partner_secrets import SecretRotation
from quality.chaos.people import Post
from quality.chaos.reading import Stores
from quality.chaos.reconciliation import Posted, Refused
from quality.testkit.wiring import queues
from tools.config import read_toml

VISIBILITY_TIMEOUT = 25  # seconds, of the queues of a run, instead of the six minutes of the template
POST_TIMEOUT = 60.0  # seconds in which a form's post must be accepted
AFTERMATH = 10.0  # seconds for which a fault of AWS or of a function explains an answer
ADDRESSES = ("base_url", "auth_url", "graph_url")


class Target(SecretRotation):
    """`lock` guards what several threads change."""

    def __init__(self, stack: Stack, random: Random) -> None:
        super().__init__(Remote(stack.sandbox_url), random)
        self.stack = stack
        self.proxy = PartnerProxy(stack.sandbox_url)
        self.processes = Processes(stack.pid)
        self.refusals = Refusals(self.partner)
        self.posted: list[Posted] = []
        self.posts: set[str] = set()
        self.refused: dict[str, Refused] = {}
        self.settings = Settings.model_validate(read_toml(PROJECT / "config", "local"))
        self.lock = Lock()
        self.disturbed_at = -AFTERMATH
        self.deaths = 0

    def prepare(self) -> None:
        """Route partner calls through the proxy, and shorten the visibility timeouts."""
        self.proxy.open()
        for name in (*profiles(), "leeloo", "sources"):
            self.put_secret(name, self.secret(name))
        self.put_tracker(self.secret("feedback"))
        attributes = {"VisibilityTimeout": str(VISIBILITY_TIMEOUT)}
        for url in self.stores.queues.values():
            self.stack.client("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)

    @cached_property
    def outputs(self) -> dict[str, str]:
        (found,) = self.stack.client("cloudformation").describe_stacks(StackName=self.stack.stack_name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    @cached_property
    def stores(self) -> Stores:
        return Stores(
            self.stack.client("dynamodb"),
            self.stack.client("sqs"),
            self.outputs["TableName"],
            {name: self.outputs[f"{queue}Url"] for name, queue in queues().items()},
            {name: self.outputs[f"{queue}Url"] for name, queue in queues("DEAD_LETTER_QUEUES").items()},
        )

    @cached_property
    def table(self) -> LeadRepository:
        return LeadRepository(Table(self.stack.client("dynamodb"), self.stores.table))

    def disturb(self, *, is_death: bool = False) -> None:
        """Record a fault that affects the operators' functions."""
        with self.lock:
            self.disturbed_at = time.monotonic()
            self.deaths += is_death

    def explains(self, since: float) -> bool:
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

    def secret(self, name: str) -> dict[str, Any]:
        manager = self.stack.client("secretsmanager")
        return dict(json.loads(manager.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"]))

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        text = json.dumps(self._through_proxy(value))
        self.stack.client("secretsmanager").put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=text)

    def new_source_secret(self) -> str:
        return str(source_secret("standard_webhooks")["secrets"][0])

    def _through_proxy(self, value: dict[str, Any]) -> dict[str, Any]:
        """Replace the sandbox's address in a secret by the proxy's."""
        own, proxy = self.stack.sandbox_url, self.proxy.address
        return {
            key: self._through_proxy(one)
            if isinstance(one, dict)
            else (one.replace(own, proxy) if key in ADDRESSES else one)
            for key, one in value.items()
        }

    def refuses(self, source: str) -> bool:
        """Whether a source refuses what no partner can take."""
        return self.settings.sources[source].refuses_invalid

    def post(self, post: Post) -> bool:
        """Post as a form builder does, with retries. Returns whether it was accepted or refused in `POST_TIMEOUT`."""
        with self.lock:
            self.posts.add(post.post_id)
        ends = time.monotonic() + POST_TIMEOUT
        while time.monotonic() < ends:
            secret = self.random.choice(self.secret("sources")[post.source]["secrets"])
            request = post.proven(secret, datetime.now(UTC))
            query = f"?{urlencode(request.query)}" if request.query else ""
            try:
                url = f"{self.stack.api_url}/webhooks/{post.source}{query}"
                answer = ask("POST", url, headers=request.headers, body=request.body)
            except HTTPError:
                continue
            if answer.status in {200, 202}:
                lead_ids = answer.content.get("lead_ids") or [answer.content["lead_id"]]
                with self.lock:
                    for lead_id in lead_ids:
                        self.posted.append(Posted.of(post, lead_id))
                return True
            if answer.status == 422 and self.refuses(post.source):
                with self.lock:
                    self.refused[post.post_id] = Refused(post.post_id, post.source, post.visitor.unusable)
                return True
            if 400 <= answer.status < 500 and answer.status not in {401, 429}:
                raise AssertionError(f"{post.source} was answered {answer.status}: {answer.content}")
            time.sleep(0.5)
        return False
