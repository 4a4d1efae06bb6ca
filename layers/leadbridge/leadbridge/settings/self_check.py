"""The source by which `make check-deployed` tests a deployment.

Its one lead passes through all flows of a lead, and each worker ends its delivery before it calls the partner. The
stack generates the source's secret. It is separate from those of the forms, so that the role that deploys can read it
and no other.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

SOURCE = "self-check"  # its name in config/sources.toml, and the name of its secret
DELIVERY_ID = "self-check"  # always the same, so that the lead has one id, which infra/github-role.yaml names
ENDED = "self-check: it ends here, no partner is called"  # the delivery's last_error when a worker has ended it


def signing_secrets(secret: Mapping[str, Any]) -> list[str]:
    """Return what signs the source's posts, as Standard Webhooks require it, or nothing if the secret has no text.

    Secrets Manager generates a text of any characters; the standard requires base64.
    """
    text = secret.get("secret")
    if not isinstance(text, str) or not text:
        return []
    return [f"whsec_{base64.b64encode(text.encode()).decode()}"]
