"""The erasure of items that belong to no lead: events of Leeloo, and accounts in a partner's list (see `traces`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from leadbridge.storage import items
from leadbridge.storage.erasure.traces import EMAIL, find_traces, trace_key
from leadbridge.storage.table import Conflict, transact

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MAX_LEADS = 50  # leads of one e-mail that are read


class Unowned:
    """Erases the items about the person of `lead_id` that belong to no lead. Safe to repeat.

    Every method may raise botocore's errors when AWS does not answer, and Contended.
    """

    def __init__(self, client: DynamoDBClient, table: str, lead_id: str) -> None:
        self._client = client
        self._table = table
        self._lead_id = lead_id

    def erase(self, kind: str, values: Iterable[str]) -> None:
        """Erase all items that the values find: keyed hashes, or ids of accounts."""
        for value in sorted(values):
            is_shared: bool | None = None
            for pointer in list(find_traces(self._client, self._table, kind, value)):
                if pointer["sk"].startswith("LEELOO#"):
                    self._erase_event(pointer)
                    continue
                if is_shared is None:
                    is_shared = kind == EMAIL and self._has_another_lead(value)
                self._erase_account(pointer, is_shared=is_shared)

    def _erase_event(self, pointer: dict[str, Any]) -> None:
        """Reduce an event to the fact that it came, and delete all pointers to it."""
        key = {"pk": pointer["sk"], "sk": "EVENT"}
        known_by = (self._get(key) or {}).get("known_by", [])
        pointers = [trace_key(kind, value, pointer["sk"]) for kind, value in known_by]
        if (own := {"pk": pointer["pk"], "sk": pointer["sk"]}) not in pointers:
            pointers.append(own)
        deletes = [self._delete(each) for each in pointers]
        reduced = {
            "TableName": self._table,
            "Key": items.encode(key),
            "UpdateExpression": "REMOVE body, #type, known_by",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#type": "type"},
        }
        try:
            transact(self._client, [*deletes, {"Update": reduced}], or_conflict=True)
        except Conflict:  # the event has expired
            transact(self._client, deletes)

    def _erase_account(self, pointer: dict[str, Any], *, is_shared: bool) -> None:
        """Delete an account that no other lead has, and mark it as not to be kept again.

        `is_shared` says that another lead has the person's e-mail: then the account is deleted with that lead.
        """
        tie = {"pk": pointer["sk"], "sk": "TIE"}
        if is_shared and (self._get(tie) or {}).get("lead_id") != self._lead_id:
            return
        mark = {
            "TableName": self._table,
            "Item": items.encode({**tie, "lead_id": self._lead_id, "is_erased": True}),
            "ConditionExpression": "attribute_not_exists(pk) OR lead_id = :own",
            "ExpressionAttributeValues": items.encode({":own": self._lead_id}),
        }
        deletes = [self._delete({**tie, "sk": "ACCOUNT"}), self._delete({"pk": pointer["pk"], "sk": pointer["sk"]})]
        transact(self._client, [{"Put": mark}, *deletes])  # refused where it is another lead's

    def _has_another_lead(self, email_hash: str) -> bool:
        found = self._client.query(
            TableName=self._table,
            IndexName="email",
            KeyConditionExpression="email_hash = :email",
            ExpressionAttributeValues=items.encode({":email": email_hash}),
            ScanIndexForward=False,
            Limit=MAX_LEADS,
        )["Items"]
        others = {str(items.decode(item)["pk"]).partition("#")[2] for item in found} - {self._lead_id}
        leads = (self._get(items.lead_key(lead_id)) for lead_id in sorted(others))
        return any(lead is not None and "erased_at" not in lead for lead in leads)

    def _delete(self, key: dict[str, str]) -> Any:
        return {"Delete": {"TableName": self._table, "Key": items.encode(dict(key))}}

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        got = self._client.get_item(TableName=self._table, Key=items.encode(dict(key)), ConsistentRead=True)
        return items.decode(got["Item"]) if "Item" in got else None
