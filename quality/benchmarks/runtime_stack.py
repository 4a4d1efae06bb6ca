"""The built functions under Lambda's runtime client, with the emulated AWS and the partners, for one measurement."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack import deployment, services
from devstack.clients import Emulator
from devstack.partners import stored_secrets
from devstack.processes import Child
from devstack.sandbox.remote import Remote
from devstack.workdir import PROJECT, choose_port, hold
from leadbridge.domain.lead import Lead
from leadbridge.partners.http import Transport
from leadbridge.partners.leadleader.client import LeadLeader
from leadbridge.runtime.budget import Budget
from leadbridge.settings import Timeouts
from quality.benchmarks.in_process import HOME, SLOWEST
from quality.testkit.lambda_runtime.cloud import Cloud
from quality.testkit.lambda_runtime.runtime import install_client
from quality.testkit.lambda_runtime.workshop import Workshop


@dataclass(frozen=True)
class RuntimeStack:
    """`secrets` are the sandbox's, by partner. `aws_child` is the emulator's process."""

    workshop: Workshop
    aws: Emulator
    partners: Remote
    folder: Path
    secrets: dict[str, dict[str, Any]]
    aws_child: Child | None = None

    def cloud(self, configuration: str = "prod") -> Cloud:
        """An empty AWS with the partners' secrets, and the configuration as shipped unless another one is named."""
        cloud = Cloud.made(self.aws, configuration)
        for name, value in stored_secrets(self.secrets).items():
            cloud.put_secret(name, value)
        cloud.put_secret("index", {"key": "a key of the benchmark alone"})
        return cloud

    def deal(self, lead: Lead) -> int:
        """Create a deal for a lead."""
        timeouts = Timeouts.model_validate({"connect": "3s", "read": "15s"})
        known = _FixedSecret(self.secrets["leadleader"])
        partner = LeadLeader(Transport("leadleader", timeouts), known, status_method="POST")
        budget = Budget(time.monotonic() + 30)
        return partner.authorize(budget).create(lead, budget)


@dataclass(frozen=True)
class _FixedSecret:
    value: dict[str, Any]

    def get(self) -> dict[str, Any]:
        return self.value

    def refresh(self) -> None:
        """Do nothing."""


@contextmanager
def runtime_stack() -> Iterator[RuntimeStack]:
    """Build the functions if they changed, and start everything."""
    HOME.logs.mkdir(parents=True, exist_ok=True)
    with hold(HOME) as lock, tempfile.TemporaryDirectory() as folder:
        deployment.build(HOME, lock=lock)
        client = Path(folder) / "client"
        install_client(client)
        shutil.copy(PROJECT / "quality" / "testkit" / "lambda_runtime" / "witness.py", client)
        with (
            services.emulator(HOME, choose_port(), lock=lock) as (aws, aws_child),
            services.sandbox(HOME, lock=lock) as (url, _),
        ):
            partners = Remote(url)
            partners.set_pace(SLOWEST)
            secrets = json.loads((HOME.sandbox / "secrets.json").read_text(encoding="utf-8"))
            yield RuntimeStack(Workshop(HOME, client, lock), aws, partners, Path(folder), secrets, aws_child)
