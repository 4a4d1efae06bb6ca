"""Graph's errors: HTTP 400 for nearly all, with `code` and `error_subcode`."""

import secrets

from devstack.sandbox.partner import Answer

READ_MORE = "Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api"


def error(
    status: int, message: str, kind: str, code: int, *, subcode: int | None = None, passing: bool = False
) -> Answer:
    details = {"message": message, "type": kind, "code": code}
    if subcode is not None:
        details["error_subcode"] = subcode
    if passing:
        details["is_transient"] = True
    details["fbtrace_id"] = secrets.token_urlsafe(16)
    return Answer.of(status, {"error": details}, refused=f"code {code}")


def no_token() -> Answer:
    return error(400, "An access token is required to request this resource.", "OAuthException", 104)


def bad_token() -> Answer:
    return error(400, "Invalid OAuth access token - Cannot parse access token", "OAuthException", 190)


def no_proof() -> Answer:
    message = "API calls from the server require an appsecret_proof argument"
    return error(400, message, "GraphMethodException", 100)


def bad_proof() -> Answer:
    return error(400, "Invalid appsecret_proof provided in the API argument", "GraphMethodException", 100)


def unknown_field(name: str) -> Answer:
    message = f"(#100) Tried accessing nonexisting field ({name}) on node type (Lead)"
    return error(400, message, "OAuthException", 100)


def unknown_lead(leadgen_id: str) -> Answer:
    message = (
        f"Unsupported get request. Object with ID '{leadgen_id}' does not exist, cannot be loaded due to missing"
        f" permissions, or does not support this operation. {READ_MORE}"
    )
    return error(400, message, "GraphMethodException", 100, subcode=33)


def too_many_calls() -> Answer:
    return error(400, "(#4) Application request limit reached", "OAuthException", 4, passing=True)


def of_status(status: int, detail: str) -> Answer:
    if status == 429:
        return too_many_calls()
    return error(status, f"Unsupported request. {detail} {READ_MORE}", "GraphMethodException", 100)
