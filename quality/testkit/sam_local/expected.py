"""What each function answers to each of its sample events, in the world of `world.py`.

Of an answer to the gateway that is its status, of a policy the principal, of an error its text; of anything else all.
"""

from typing import Any

from quality.testkit.lambda_runtime.samples import sample

DONE: dict[str, Any] = {"batchItemFailures": []}
UNREADABLE = sample("SubmitLead", "unreadable_among_good")["Records"][0]["messageId"]

TAKEN = (
    *(
        "elementor_advanced",
        "elementor_simple",
        "google_lead",
        "incomplete",
        "jotform_lead",
        "large_amount",
        "meta_batch",
        "meta_lead",
    ),
    *("partner_down", "plain_json", "plain_multipart", "plain_urlencoded", "plain_windows1251", "reply_lost"),
    *(
        "tally_lead",
        "tilda_lead",
        "trading_reply_lost",
        "typeform_lead",
        "warned",
        "webflow_dashboard",
        "webflow_signed",
    ),
)
KNOWN_ALREADY = ("good", "redelivered", "trading")
KEPT_NOWHERE = ("google_test", "tally_other_event", "test_ping", "tilda_test")

EXPECTED: dict[str, dict[str, Any]] = {
    "Authorize": {"good": "allows olena", "no_bearer": "denies nobody", "wrong": "denies nobody"},
    "CheckStatus": {"account_at_once": DONE, "at_once": DONE, "due": DONE},
    "FetchLead": {"overdue": DONE, "pending": DONE},
    "FindDue": {"tick": {"queued": 2}},
    "DetectStaleSources": {"tick": {"stale": ["web"], "incomplete": []}},
    "ManageLeads": {
        **dict.fromkeys(("dead_letters", "discard", "redrive", "partners", "stats", "sync", "health"), 200),
        **dict.fromkeys(("list", "find_by_phone", "show", "reveal"), 200),
        **dict.fromkeys(("check", "resolve", "retry"), 409),  # it has not been sent yet
        "write_message": 202,
        "erase": 204,
        "unknown_lead": 404,
    },
    "PublishChanges": {"check_put_off": DONE, "new_lead": DONE, "status_changed": DONE},
    "ReceiveLead": {
        **dict.fromkeys(TAKEN, 202),
        **dict.fromkeys((*KNOWN_ALREADY, *KEPT_NOWHERE, "meta_verify"), 200),
        "plain_preflight": 204,
        "invalid": 422,
    },
    "ReceiveLeelooEvent": {"order": 202, "unknown_type": 202},
    "SendAlert": {"alarm": DONE, "tick": {"digest": None}},
    "SendFeedback": {"overdue": DONE, "pending": DONE},
    "SendMessage": {"overdue": DONE, "pending": DONE},
    "ServeConsole": {"page": 200, "script": 200, "unknown_file": 404},
    "SubmitLead": {
        "account_lead_gone": DONE,
        "lead_gone": DONE,
        "unreadable_among_good": {"batchItemFailures": [{"itemIdentifier": UNREADABLE}]},
        "waiting": DONE,
        "waiting_account": DONE,
    },
    "SyncAccounts": {"broker": DONE, "tick": {"queued": 2}},
    "UpdateStats": {"new_lead": DONE, "tick": {"compared": 0, "corrected": 0, "is_done": True}},
}


def outcome_of(answer: Any) -> Any:
    """The part of an answer that is the same each time."""
    match answer:
        case {"statusCode": status}:
            return status
        case {"policyDocument": {"Statement": [{"Effect": "Allow"}]}, "context": {"operator": operator}}:
            return f"allows {operator}"
        case {"policyDocument": {"Statement": [{"Effect": "Deny"}]}, "principalId": principal}:
            return f"denies {principal}"
        case {"errorType": kind, "errorMessage": message}:
            return f"{kind}: {message}"
        case _:
            return answer
