"""What remains in the table of a person that the product's own code has erased."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from leadbridge.domain.lead import Lead
from leadbridge.runtime import aws
from leadbridge.storage import items
from leadbridge.storage.erasure.eraser import Eraser
from leadbridge.storage.table import Table
from quality.testkit.aws.memory_dynamodb import memory_dynamodb
from quality.testkit.aws.memory_stack import CREDENTIALS
from quality.testkit.people import NOW
from quality.testkit.template import table_definition

TABLE = "leads"
ERASED_AT = NOW + timedelta(hours=1)


def erased(lead: Lead, table: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A table's items, decoded, after the lead's person was erased from it."""
    with patch.dict(os.environ, CREDENTIALS), memory_dynamodb():
        aws.reset_clients()
        client = aws.dynamodb()
        client.create_table(**table_definition(TABLE))
        for values in table:
            client.put_item(TableName=TABLE, Item=items.encode(values))
        Eraser(Table(client, TABLE)).erase(lead.lead_id, "anna", ERASED_AT)
        left = [items.decode(item) for item in client.scan(TableName=TABLE)["Items"]]
    aws.reset_clients()
    return left
