"""An index `due` of any length, and a queue, that answer as DynamoDB and SQS do and take the same time for every page.

`python -m quality.benchmarks.long_index 100000` prints its address. The emulated AWS looks through its whole table for
every page, so with it nothing could be said of how a function's own cost grows with the rows.
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
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


def row(number: int) -> items.Item:
    """What the index holds of one delivery."""
    due_at = to_text(BEGINNING + timedelta(seconds=number))
    key = {"pk": f"LEAD#ld_{number:026d}", "sk": f"DELIVERY#{PARTNER}"}
    return items.encode({**key, "due_partner": PARTNER, "due_at": due_at})


def query(asked: dict[str, Any], rows: int) -> dict[str, Any]:
    """One page: the rows of the lender's partition, none of any other."""
    if PARTNER not in (value.get("S") for value in asked["ExpressionAttributeValues"].values()):
        return {"Items": [], "Count": 0, "ScannedCount": 0}
    begin = int(asked["ExclusiveStartKey"]["pk"]["S"].rpartition("_")[2]) + 1 if "ExclusiveStartKey" in asked else 0
    end = min(rows, begin + asked.get("Limit", rows))
    page = [row(number) for number in range(begin, end)]
    more = {"LastEvaluatedKey": page[-1]} if end < rows else {}
    return {"Items": page, "Count": len(page), "ScannedCount": len(page), **more}


def answer(operation: str, asked: dict[str, Any], rows: int) -> dict[str, Any]:
    """What find_due calls, and nothing else. Raises LookupError."""
    match operation:
        case "Query":
            return query(asked, rows)
        case "GetQueueAttributes":
            return {"Attributes": dict.fromkeys(asked["AttributeNames"], "0")}
        case "SendMessageBatch":
            return {"Successful": [{"Id": one["Id"], "MessageId": one["Id"]} for one in asked["Entries"]]}
        case _:
            raise LookupError(f"nobody has said what {operation} answers")


def server(rows: int) -> ThreadingHTTPServer:
    """A server of an index of so many rows, on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # headers and body go out together, or the kernel holds back the body for 40 ms

        def do_POST(self) -> None:
            """Answer one call of AWS's JSON protocol."""
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            _, _, operation = self.headers["X-Amz-Target"].rpartition(".")
            body = json.dumps(answer(operation, asked, rows)).encode()
            self.send_response(200)
            self.send_header("Content-Type", self.headers["Content-Type"])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
            """Say nothing."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


if __name__ == "__main__":
    with server(int(sys.argv[1])) as served:
        sys.stdout.write(f"http://127.0.0.1:{served.server_address[1]}\n")
        sys.stdout.flush()
        served.serve_forever()
