"""What the local AWS is given, and what it is kept from."""

import json
import os
from pathlib import Path

import pytest

from devstack import seed
from devstack.clients import forget_credentials
from devstack.deployment import sam_env
from devstack.sandbox.partner import write_private
from devstack.services import emulator_env, scheduled_event
from devstack.workdir import Workdir


@pytest.fixture
def workdir(tmp_path: Path) -> Workdir:
    return Workdir(tmp_path)


@pytest.fixture
def users_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        os.environ[name] = "the-users-own"


@pytest.mark.usefixtures("users_aws")
def test_the_users_own_aws_reaches_neither_the_emulator_nor_the_deployment(workdir: Workdir) -> None:
    assert "the-users-own" not in emulator_env(workdir, 4566).values()
    assert "the-users-own" not in sam_env(workdir).values()
    forget_credentials()
    assert "the-users-own" not in os.environ.values()


def test_the_emulator_listens_to_this_machine_only(workdir: Workdir) -> None:
    env = emulator_env(workdir, 4566)
    assert env["BIND_HOST"] == "127.0.0.1"
    assert env["IOT_MTLS_ENABLED"] == "0"


def test_the_functions_may_do_only_what_their_roles_allow(workdir: Workdir) -> None:
    assert emulator_env(workdir, 4566)["AUTH"] == "true"


def test_secrets_are_drawn_once_and_kept(workdir: Workdir) -> None:
    first = seed.own_secrets(workdir, "http://127.0.0.1:1")
    again = seed.own_secrets(workdir, "http://127.0.0.1:1")
    assert first == again
    assert first["operators"]["local"]
    assert first["sources"]["web"]["secrets"][0].startswith("whsec_")


def test_a_source_that_came_later_gets_its_secret_too(workdir: Workdir) -> None:
    write_private(workdir.secrets_file, {"operators": {"local": "kept"}, "sources": {}})
    assert "web" in seed.own_secrets(workdir, "http://127.0.0.1:1")["sources"]
    assert seed.own_secrets(workdir, "http://127.0.0.1:1")["operators"]["local"] == "kept"


def test_the_scheduler_sends_the_event_of_a_schedule() -> None:
    event = json.loads(json.dumps(scheduled_event()))
    assert event["detail-type"] == "Scheduled Event"
    assert event["source"] == "aws.scheduler"
