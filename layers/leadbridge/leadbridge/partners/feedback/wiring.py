"""The client of trackers for the functions."""

from __future__ import annotations

from functools import partial

from leadbridge.auth.secrets import Secrets
from leadbridge.partners.feedback.client import SECRET, TrackerClient
from leadbridge.partners.public_http import PublicClient
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SecretsEnvironment
from leadbridge.runtime.logs import record_tracker_call


def tracker_client() -> TrackerClient:
    """Make a client. It reads its secret from Secrets Manager (`SECRETS_PREFIX`)."""
    secrets = Secrets(aws.secrets_manager(), SecretsEnvironment.from_env().secrets_prefix)
    return TrackerClient(partial(secrets.get, SECRET), PublicClient(observer=record_tracker_call))
