"""Messages. They go to an account, not to a person. A send is not idempotent: do not repeat it after Unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leadbridge.partners.leeloo.client import Client
from leadbridge.partners.leeloo.models import AccountId
from leadbridge.runtime.budget import Budget


@dataclass(frozen=True)
class Messages:
    """`messages/…`"""

    client: Client

    def send_template(
        self,
        account_id: AccountId,
        template_id: str,
        variables: Mapping[str, str] | None = None,
        *,
        budget: Budget,
    ) -> None:
        """`POST messages/send-template`: send a template to an account. Variables are those of the template."""
        fields = {
            "account_id": account_id,
            "template_id": template_id,
            "variables": None if variables is None else dict(variables),
        }
        self.client.send("send_template", "POST", ("messages", "send-template"), fields, budget)

    def send_text(self, account_id: AccountId, text: str, *, budget: Budget) -> None:
        """`POST messages/send-message`: send a text to an account."""
        fields = {"account_id": account_id, "text": text}
        self.client.send("send_message", "POST", ("messages", "send-message"), fields, budget)
