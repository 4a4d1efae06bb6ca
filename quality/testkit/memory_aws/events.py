"""EventBridge in memory, which delivers to queues, and the topics of SNS, which have no subscribers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from quality.testkit.memory_aws.calls import ACCOUNT, REGION, Answer, MemoryService, Refused
from quality.testkit.memory_aws.sqs import MemorySqs
from quality.testkit.wiring import matches

MAX_ENTRIES = 10
MAX_BYTES = 1024 * 1024  # of all entries


@dataclass
class MemoryRule:
    """A rule of a bus. `targets` are ARNs of queues by their ids."""

    pattern: Any
    is_enabled: bool = True
    targets: dict[str, str] = field(default_factory=dict)


class MemoryEventBridge(MemoryService):
    """The buses of one account."""

    def __init__(self, sqs: MemorySqs) -> None:
        super().__init__()
        self.buses: dict[str, dict[str, MemoryRule]] = {}
        self._sqs = sqs
        self._numbers = count(1)

    def _create_event_bus(self, asked: Mapping[str, Any]) -> Answer:
        if asked["Name"] in self.buses:
            raise Refused("ResourceAlreadyExistsException", f"Event bus {asked['Name']} already exists.")
        self.buses[asked["Name"]] = {}
        return {"EventBusArn": f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{asked['Name']}"}

    def _put_rule(self, asked: Mapping[str, Any]) -> Answer:
        rules = self._bus(asked["EventBusName"])
        rules[asked["Name"]] = MemoryRule(json.loads(asked["EventPattern"]))
        return {"RuleArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{asked['EventBusName']}/{asked['Name']}"}

    def _disable_rule(self, asked: Mapping[str, Any]) -> Answer:
        self._rule(asked["EventBusName"], asked["Name"]).is_enabled = False
        return {}

    def _put_targets(self, asked: Mapping[str, Any]) -> Answer:
        targets = {target["Id"]: target["Arn"] for target in asked["Targets"]}
        self._rule(asked["EventBusName"], asked["Rule"]).targets.update(targets)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _remove_targets(self, asked: Mapping[str, Any]) -> Answer:
        targets = self._rule(asked["EventBusName"], asked["Rule"]).targets
        for removed in asked["Ids"]:
            targets.pop(removed, None)
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _put_events(self, asked: Mapping[str, Any]) -> Answer:
        entries = asked["Entries"]
        texts = [entry.get(name, "") for entry in entries for name in ("Source", "DetailType", "Detail")]
        if not 1 <= len(entries) <= MAX_ENTRIES or sum(len(text.encode()) for text in texts) > MAX_BYTES:
            raise Refused("ValidationException", "Total size of the entries in the request is over the limit.")
        answers = [self._put_event(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in answer for answer in answers), "Entries": answers}

    def _put_event(self, entry: Mapping[str, Any]) -> Answer:
        for name in ("Source", "DetailType", "Detail"):
            if not entry.get(name):
                return {"ErrorCode": "InvalidArgument", "ErrorMessage": f"Parameter {name} is not valid."}
        try:
            detail = json.loads(entry["Detail"])
        except ValueError:
            return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}
        event = {
            "version": "0",
            "id": f"00000000-0000-4000-8000-{next(self._numbers):012x}",
            "detail-type": entry["DetailType"],
            "source": entry["Source"],
            "account": ACCOUNT,
            "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": REGION,
            "resources": [],
            "detail": detail,
        }
        for rule in self._bus(entry["EventBusName"]).values():
            if rule.is_enabled and matches(rule.pattern, event):
                for arn in rule.targets.values():
                    self._sqs.deliver(arn, json.dumps(event))
        return {"EventId": event["id"]}

    def _bus(self, name: str) -> dict[str, MemoryRule]:
        if name not in self.buses:
            raise Refused("ResourceNotFoundException", f"Event bus {name} does not exist.")
        return self.buses[name]

    def _rule(self, bus: str, name: str) -> MemoryRule:
        rules = self._bus(bus)
        if name not in rules:
            raise Refused("ResourceNotFoundException", f"Rule {name} does not exist on EventBus {bus}.")
        return rules[name]


class MemorySns(MemoryService):
    """The topics of one account."""

    def __init__(self) -> None:
        super().__init__()
        self.topics: set[str] = set()
        self._numbers = count(1)

    def _create_topic(self, asked: Mapping[str, Any]) -> Answer:
        arn = f"arn:aws:sns:{REGION}:{ACCOUNT}:{asked['Name']}"
        self.topics.add(arn)
        return {"TopicArn": arn}

    def _publish(self, asked: Mapping[str, Any]) -> Answer:
        if asked.get("TopicArn") not in self.topics:
            raise Refused("NotFound", "Topic does not exist")
        if not asked["Message"] or len(asked.get("Subject", "")) > 100:
            raise Refused("InvalidParameter", "Invalid parameter")
        return {"MessageId": f"00000000-0000-4000-8000-{next(self._numbers):012x}"}
