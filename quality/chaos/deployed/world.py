"""The deployed stack as a run sees it: its clients, its operator, its partners behind their door, its secrets."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from threading import Lock
from typing import Any
from urllib.parse import urlencode

from urllib3.exceptions import HTTPError

from devstack.commands.form import Operator, ask
from devstack.deployment import PREFIX
from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import Remote
from devstack.seed import source_secret
from devstack.stack import Stack
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.table import Table
from quality.chaos.deployed.front import Front
from quality.chaos.deployed.processes import Processes
from quality.chaos.partner_faults import Refusals
from quality.chaos.partner_secrets import rotate, rotations
from quality.chaos.people import FORMS, META, Post
from quality.chaos.reading import Stores
from quality.chaos.reconciliation import Posted
from quality.testkit.wiring import queues

VISIBILITY = 25  # seconds, of the queues of a run: nobody waits for six minutes after each worker that was killed
POST_TIMEOUT = 60.0  # seconds in which a form's post must be taken
AFTERMATH = 10.0  # seconds in which what happened to AWS, or to a function, still explains an answer
ADDRESSES = ("base_url", "auth_url", "graph_url")


@dataclass
class World:
    """Everything that a run works with. What several threads change is guarded by `lock`."""

    stack: Stack
    random: Random
    front: Front
    processes: Processes
    partner: Remote
    operator: Operator
    posted: list[Posted] = field(default_factory=list)
    late: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    disturbed_at: float = -AFTERMATH
    deaths: int = 0

    @cached_property
    def outputs(self) -> dict[str, str]:
        """What the deployed template says of itself."""
        (found,) = self.stack.client("cloudformation").describe_stacks(StackName=self.stack.stack_name)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

    @classmethod
    def of(cls, stack: Stack, random: Random) -> World:
        """A run's world: partners are reached by their door from now on, and messages hidden for a shorter time."""
        front = Front(stack.sandbox_url)
        front.open()
        world = cls(stack, random, front, Processes(stack.pid), Remote(stack.sandbox_url), Operator(stack))
        for name in (*profiles(), "leeloo"):
            world.put_secret(name, world.secret(name))
        sources = world.secret("sources")
        sources[META] = world.behind_the_door(sources[META])
        for name, form in FORMS.items():
            sources[name] = sources[form]
        world.put_secret("sources", sources)
        for url in world.stores.queues.values():
            stack.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(VISIBILITY)})
        return world

    @cached_property
    def refusals(self) -> Refusals:
        """The people whom a partner refuses for good."""
        return Refusals(self.partner)

    @cached_property
    def stores(self) -> Stores:
        """Where the books are."""
        return Stores(
            self.stack.client("dynamodb"),
            self.stack.client("sqs"),
            self.outputs["TableName"],
            {name: self.outputs[f"{queue}Url"] for name, queue in queues().items()},
            {name: self.outputs[f"{queue}Url"] for name, queue in queues("DEAD_LETTER_QUEUES").items()},
        )

    @cached_property
    def table(self) -> LeadRepository:
        """The table of leads."""
        return LeadRepository(Table(self.stack.client("dynamodb"), self.stores.table))

    def disturb(self, *, is_death: bool = False) -> None:
        """Note that something is being done to what operators are answered by."""
        with self.lock:
            self.disturbed_at = time.monotonic()
            self.deaths += is_death

    def explains(self, since: float) -> bool:
        """Whether that explains what became of a question that was asked then.

        The emulator finds out that a worker is dead when it is asked for, at whatever time: each explains one question.
        """
        with self.lock:
            if self.disturbed_at >= since - AFTERMATH:
                return True
            if self.deaths == 0:
                return False
            self.deaths -= 1
            return True

    def secret(self, name: str) -> dict[str, Any]:
        """What a secret holds."""
        manager = self.stack.client("secretsmanager")
        return dict(json.loads(manager.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"]))

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        """Give a secret another value."""
        text = json.dumps(self.behind_the_door(value))
        self.stack.client("secretsmanager").put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=text)

    def behind_the_door(self, value: dict[str, Any]) -> dict[str, Any]:
        """A secret's value, with the door's address for the sandbox's own."""
        own, door = self.stack.sandbox_url, self.front.address
        return {key: one.replace(own, door) if key in ADDRESSES else one for key, one in value.items()}

    def rotate_source(self) -> str:
        """Put a new secret beside a source's old one, or drop the old one; the source."""
        sources = self.secret("sources")
        source = self.random.choice(["web", "web-trading", "plain-credit"])
        known = sources[source]["secrets"]
        fresh = source_secret("standard_webhooks")["secrets"]
        sources[source]["secrets"] = known[:1] if len(known) > 1 else [*fresh, *known]
        self.put_secret("sources", sources)
        return source

    def rotate_partner(self) -> str:
        """A partner changes what it wants of us; nobody has put it here yet."""
        found = rotations()
        name = self.random.choice([one for one in found if one not in self.late] or list(found))
        renewed = rotate(self.partner, name, self.random.choice(found[name]))
        self.late[name] = {**self.secret(name), **renewed}
        return name

    def put_late(self) -> None:
        """Put what partners have changed."""
        for name, value in self.late.items():
            self.put_secret(name, value)
        self.late.clear()

    def post(self, post: Post) -> bool:
        """Post as a form builder does, again until it is taken; whether it was, in `PATIENCE`."""
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
            if 400 <= answer.status < 500 and answer.status not in {401, 429}:
                raise AssertionError(f"{post.source} was answered {answer.status}: {answer.content}")
            time.sleep(0.5)
        return False
