"""Clients of the emulated AWS, which never call the real one."""

import os
from dataclasses import dataclass
from typing import Any

import boto3
import urllib3
from botocore.config import Config

REGION = "eu-central-1"

# The emulator takes `test` for the account's root user; a function is given the session of its own role instead.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}

# Nothing of the user's own AWS set-up is seen.
NOTHING_OF_THE_USERS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}

# An answer that is late or lost is the caller's to judge: no silent second try. No proxy stands before 127.0.0.1.
CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 1}, proxies={})


@dataclass(frozen=True)
class Emulator:
    url: str

    def client(self, service: str) -> Any:
        """A client of the root user."""
        keys: Any = {name.lower(): value for name, value in CREDENTIALS.items()}
        make: Any = boto3.Session(region_name=REGION, **keys).client
        return make(service, endpoint_url=self.url, config=CONFIG)

    def resources(self, stack_name: str) -> dict[str, dict[str, str]]:
        """The resources of a stack: resource type to logical id to physical id."""
        pages = self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack_name)
        found: dict[str, dict[str, str]] = {}
        for one in (one for page in pages for one in page["StackResourceSummaries"]):
            found.setdefault(one["ResourceType"], {})[one["LogicalResourceId"]] = one.get("PhysicalResourceId", "")
        return found


def forget_credentials() -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(NOTHING_OF_THE_USERS)


def answers(url: str) -> bool:
    """Whether a GET returns 200."""
    try:
        response = urllib3.request("GET", url, timeout=15, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return response.status == 200
