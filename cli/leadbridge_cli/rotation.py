"""Rotation of source secrets, operator tokens and our keys at partners. A new secret is shown once."""

import base64
import re
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from leadbridge_cli.cloud import Cloud
from leadbridge_cli.exit_codes import Code, Failure, not_found, usage_error
from leadbridge_cli.secret_schemas import validate_secret
from leadbridge_cli.secrets_store import SecretsStore, StoredSecret, new_token

if TYPE_CHECKING:
    from leadbridge.partners.kind import KeyRotation
    from leadbridge_cli.partner_secrets import PartnerEntry

STANDARD_WEBHOOKS = "whsec_"


@dataclass(frozen=True)
class RotationResult:
    """The result of a rotation and the next step. Fields that are None are not shown."""

    name: str
    whose: str | None
    next_step: str
    secret: str | None = None
    token: str | None = None
    public_key: str | None = None

    def document(self) -> dict[str, Any]:
        """Return the result for scripts."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "next_step"}

    def lines(self) -> list[str]:
        """Return the lines for a person."""
        shown = self.secret or self.token or self.public_key
        return [*([] if shown is None else shown.strip().splitlines()), self.next_step]

    def __repr__(self) -> str:
        return f"Rotated({self.name!r}, {self.whose!r})"


def source(store: SecretsStore, name: str, *, drop_old: bool = False, is_new: bool = False) -> RotationResult:
    """Add a new secret of a source before the old one, drop the old one, or create the first one. Raises Failure."""
    seen, value = _read_known(store, "sources", or_empty=is_new)
    entry = value.get(name)
    entry = entry if isinstance(entry, dict) else {}
    if is_new:
        if entry.get("secrets"):
            raise Failure(Code.CONFLICT, f"{name} already has a secret. Omit --new to rotate it.")
        secret = _new_secret_for(name)
        value = with_source(value, name, {"secrets": [secret]})
        store.replace("sources", seen, value)
        return RotationResult("sources", name, "Enter it in the form. It is not shown again.", secret=secret)
    if not entry.get("secrets"):
        known = ", ".join(sorted(value))
        raise not_found(f"No secret of source {name}. Use --new to create one. Sources with secrets: {known}.")
    current, *old = entry["secrets"]
    if drop_old:
        if not old:
            raise Failure(Code.CONFLICT, f"{name} has only one secret; there is no old secret to drop.")
        value[name] = {**entry, "secrets": [current]}
        validate_secret("sources", value)
        store.replace("sources", seen, value)
        return RotationResult("sources", name, "The old secret stops working within a minute.")
    if old:
        raise Failure(Code.CONFLICT, f"{name} already has two secrets. Use --drop-old when the form has the new one.")
    secret = _new_secret_like(str(current))
    value[name] = {**entry, "secrets": [secret, current]}
    validate_secret("sources", value)
    store.replace("sources", seen, value)
    next_step = f"Enter it in the form. Both secrets work until `secrets rotate sources {name} --drop-old`."
    return RotationResult("sources", name, next_step, secret=secret)


def with_source(value: dict[str, Any], name: str, entry: object) -> dict[str, Any]:
    """Return the value of the secret `sources` with an entry of a source. Raises Failure."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name) is None:
        raise usage_error("The name of a source has letters, digits, - and _, at most 64.")
    validate_secret("sources", {name: entry})
    return {**value, name: entry}


def operator(store: SecretsStore, name: str, *, is_new: bool) -> RotationResult:
    """Create or replace the token of an operator. Raises Failure."""
    seen, value = _read_known(store, "operators", or_empty=is_new)
    if is_new and name in value:
        raise Failure(Code.CONFLICT, f"{name} already has a token. Omit --new to replace it.")
    if not is_new and name not in value:
        raise not_found(f"No operator {name}. Use --new to create one.")
    if not name.isprintable() or not name.strip():
        raise usage_error("The name of an operator must be printable text.")
    token = new_token()
    value[name] = token
    validate_secret("operators", value)
    store.replace("operators", seen, value)
    return RotationResult("operators", name, f"Token of {name}. It is not shown again.", token=token)


def rotatable_entry(cloud: Cloud, name: str) -> "tuple[PartnerEntry, KeyRotation]":
    """Return a partner's values, and how our key in them is rotated. `name` may be a kind with one partner.

    Raises Failure.
    """
    from leadbridge.partners.registry import kind_named, kind_names
    from leadbridge_cli.partner_secrets import entries_of, find_entry, no_value

    if name in kind_names():
        entries = entries_of(cloud, name)
        entry = next((each for each in entries if each.partner == name or len(entries) == 1), None)
        if entry is None:
            partners = ", ".join(each.partner for each in entries)
            raise usage_error(f"{name} has an object for each partner. Name one of them: {partners}.")
    else:
        entry = find_entry(cloud, name)
    rotation = None if entry is None else kind_named(entry.kind).secret.rotation
    if entry is None or rotation is None:
        raise usage_error(f"{name} cannot be rotated here. Get a new value from the partner and use `secrets put`.")
    if entry.value is None:
        raise no_value(cloud, name)
    return entry, rotation


def partner(store: SecretsStore, entry: "PartnerEntry", rotation: "KeyRotation") -> RotationResult:
    """Create a key pair: store the private key, return the public key for the partner. Raises Failure."""
    renewed = rotation.renew(entry.value or {})
    value = entry.secret_with(renewed.value) if entry.is_keyed else renewed.value
    validate_secret(entry.kind, renewed.value)
    store.replace(entry.kind, entry.seen, value)
    next_step = f"{renewed.next_step}; then `leadbridge secrets check {entry.partner}`."
    return RotationResult(entry.partner, None, next_step, public_key=renewed.public_key)


def _read_known(store: SecretsStore, name: str, *, or_empty: bool = False) -> tuple[StoredSecret, dict[str, Any]]:
    seen = store.read(name)
    if seen.value is None and not or_empty:
        raise not_found(f"Secret {name} has no value yet. Run `secrets put {name} FILE`.")
    return seen, dict(seen.value or {})


def _new_secret_for(source: str) -> str:
    """Return a secret in the format of a source's adapter, which the configuration of this folder may have."""
    from leadbridge_cli.source_secrets import STANDARD_WEBHOOKS as STANDARD
    from leadbridge_cli.source_secrets import adapters

    adapter = adapters().get(source)
    if adapter == "meta":
        raise usage_error(f"The secret of {source} is Meta's app secret. Store it with secrets put sources.{source}.")
    return _new_secret_like(STANDARD_WEBHOOKS if adapter == STANDARD else "")


def _new_secret_like(secret: str) -> str:
    """Return a new secret in the format of the given one."""
    if secret.startswith(STANDARD_WEBHOOKS):
        return STANDARD_WEBHOOKS + base64.b64encode(secrets.token_bytes(32)).decode()
    return new_token()
