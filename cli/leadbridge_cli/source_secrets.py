"""Find secrets of sources that cannot be used. Hints name the source and the mistake, never a value."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CONFIG = Path("config/sources.toml")
STANDARD_WEBHOOKS = "standard_webhooks"


def hint_about(secret: object, adapter: str | None = None) -> str | None:
    """Return what is wrong with a secret and what to do; None if it can be used."""
    from leadbridge.auth.secret_forms import is_webhook_secret, unquoted, webhook_key

    if not isinstance(secret, str) or not unquoted(secret):
        return "a secret must be a text that is not empty"
    if is_webhook_secret(secret) or adapter == STANDARD_WEBHOOKS:
        if not webhook_key(secret):
            return "a Standard Webhooks secret is whsec_ and base64; copy it again, completely"
        return None
    plain = unquoted(secret)
    if not plain.isascii() or not plain.isprintable() or " " in plain:
        return "a secret has only printable ASCII without spaces; it may be a label or several lines"
    if "://" in plain:
        return "this is an address; enter the secret, which is the part after token="
    return None


def hints_about(sources: Mapping[str, Any], adapters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return each source with a secret that cannot be used, and the hint. Revoked sources have no secret to check."""
    found = []
    for name, entry in sorted(sources.items()):
        if not entry:
            continue
        secrets = entry.get("secrets") if isinstance(entry, dict) else None
        if not isinstance(secrets, list):
            found.append((name, 'the entry must be an object such as {"secrets": ["…"]}'))
            continue
        hints = (hint_about(secret, adapters.get(name)) for secret in secrets)
        found += [(name, hint) for hint in dict.fromkeys(hints) if hint]
    return found


def adapters(file: Path = CONFIG) -> dict[str, str]:
    """Return the adapter of each source in the configuration of this folder; empty without a readable one."""
    try:
        sources = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: str(source.get("adapter")) for name, source in sources.items() if isinstance(source, dict)}
