"""An index `due` of any length, and a queue, with DynamoDB's and SQS's protocol and a constant time for every page.

`python -m quality.benchmarks.long_index 100000` prints its URL. The emulated AWS scans its whole table for every page,
which would hide how a function's own cost grows with the rows.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from leadbridge.domain.clock import to_text
from leadbridge.storage import items

PARTNER = "leadleader"
SHARD = f"{PARTNER}#0"
START = datetime(2026, 1, 1, tzinfo=UTC)


def row(number: int) -> items.Item:
    """The index entry of one delivery."""
    due_at = to_text(START + timedelta(seconds=number))
    key = {"pk": f"LEAD#ld_{number:026d}", "sk": f"DELIVERY#{PARTNER}"}
    return items.encode({**key, "due_shard": SHARD, "due_at": due_at})


def query(request: dict[str, Any], rows: int) -> dict[str, Any]:
    """One page of a shard of the lender's partition; other partitions are empty."""
    if SHARD not in (value.get("S") for value in request["ExpressionAttributeValues"].values()):
        return {"Items": [], "Count": 0, "ScannedCount": 0}
    begin = int(request["ExclusiveStartKey"]["pk"]["S"].rpartition("_")[2]) + 1 if "ExclusiveStartKey" in request else 0
    end = min(rows, begin + request.get("Limit", rows))
    page = [row(number) for number in range(begin, end)]
    more = {"LastEvaluatedKey": page[-1]} if end < rows else {}
    return {"Items": page, "Count": len(page), "ScannedCount": len(page), **more}


def answer(operation: str, request: dict[str, Any], rows: int) -> dict[str, Any]:
    """The operations that find_due calls. Raises LookupError for others."""
    match operation:
        case "Query":
            return query(request, rows)
        case "GetItem" | "PutItem":  # the progress of the checks
            return {}
        case "BatchGetItem":  # the partners' states
            return {"Responses": {}, "UnprocessedKeys": {}}
        case "GetQueueAttributes":
            return {"Attributes": dict.fromkeys(request["AttributeNames"], "0")}
        case "SendMessageBatch":
            return {"Successful": [{"Id": one["Id"], "MessageId": one["Id"]} for one in request["Entries"]]}
        case _:
            raise LookupError(f"{operation} is not supported here")


def server(rows: int) -> ThreadingHTTPServer:
    """A server on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # send headers and body together: otherwise the kernel delays the body by 40 ms

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, _, operation = self.headers["X-Amz-Target"].rpartition(".")
            body = json.dumps(answer(operation, request, rows)).encode()
            self.send_response(200)
            self.send_header("Content-Type", self.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Log nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


if __name__ == "__main__":
    with server(int(sys.argv[1])) as served:
        sys.stdout.write(f"http://127.0.0.1:{served.server_address[1]}\n")
        sys.stdout.flush()
        served.serve_forever()
