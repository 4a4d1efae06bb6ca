"""Notifications of the alarm topic as SNS puts them into a queue, and a stand-in of Telegram in this process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.errors.partner_errors import PartnerError, Rejected, Unavailable
from leadbridge.runtime.budget import Budget
from leadbridge.services.ports.alerts import OutgoingMessage


def envelope(message: Any, message_id: str = "11111111-2222-3333-4444-555555555555", **more: Any) -> dict[str, Any]:
    """What SNS puts into a queue."""
    text = message if isinstance(message, str) else json.dumps(message)
    return {
        "Type": "Notification",
        "MessageId": message_id,
        "TopicArn": "arn:aws:sns:eu-central-1:123456789012:leadbridge-Alarms",
        "Message": text,
        "Timestamp": "2026-03-01T12:00:00.000Z",
        **more,
    }


def alarm_message(
    name: str,
    at: datetime,
    *,
    state: str = "ALARM",
    before: str = "OK",
    text: str = "A partner rejects our credentials (submissions): docs/runbook.md#partner-misconfigured",
    **more: Any,
) -> dict[str, Any]:
    """What CloudWatch publishes when an alarm changes its state."""
    return {
        "AlarmName": name,
        "AlarmDescription": text,
        "AWSAccountId": "123456789012",
        "AlarmConfigurationUpdatedTimestamp": "2026-02-01T08:00:00.000+0000",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed: 1 datapoint [1.0 (01/03/26 12:00:00)].",
        "StateChangeTime": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}+0000",
        "Region": "EU (Frankfurt)",
        "AlarmArn": f"arn:aws:cloudwatch:eu-central-1:123456789012:alarm:{name}",
        "OldStateValue": before,
        "OKActions": [],
        "AlarmActions": ["arn:aws:sns:eu-central-1:123456789012:leadbridge-Alarms"],
        "InsufficientDataActions": [],
        "Trigger": {
            "MetricName": "PartnerMisconfigured",
            "Namespace": "leadbridge",
            "StatisticType": "Statistic",
            "Statistic": "SUM",
            "Unit": None,
            "Dimensions": [{"value": "submit_lead", "name": "service"}],
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0.0,
            "TreatMissingData": "notBreaching",
            "EvaluateLowSampleCountPercentile": "",
        },
        **more,
    }


def alarm(name: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A notification about an alarm."""
    return envelope(alarm_message(name, at, **more), f"{name} {at.isoformat()}")


@dataclass
class Chat:
    """A chat: what its members see, and how it fails. An edited message causes no sound."""

    name: str = "telegram -100"
    can_edit: bool = True
    failure: PartnerError | None = None
    is_lossy: bool = False  # the message arrives, and the answer does not
    messages: dict[str, str] = field(default_factory=dict)
    sounds: list[str] = field(default_factory=list)  # texts that caused a sound
    events: list[Mapping[str, Any]] = field(default_factory=list)
    event_ids: list[str] = field(default_factory=list)
    calls: int = 0

    def send(self, message: OutgoingMessage, budget: Budget) -> str:
        """Show a message, unless the chat fails."""
        self.calls += 1
        if self.failure is not None:
            raise self.failure
        number = message.edits if message.edits in self.messages else str(len(self.messages) + 1)
        if number not in self.messages and not message.is_quiet:
            self.sounds.append(message.text)
        self.messages[number] = message.text
        self.events.append(message.event)
        self.event_ids.append(message.event_id)
        if self.is_lossy:
            raise unavailable()
        return number if self.can_edit else ""


def unavailable() -> PartnerError:
    """An outage."""
    return Unavailable("telegram", "sendMessage", "the partner could not be reached")


def kicked() -> PartnerError:
    """A failure that no retry ends."""
    return Rejected("telegram", "sendMessage", "the bot is not a member of the chat", code=ErrorCode.FORBIDDEN)
