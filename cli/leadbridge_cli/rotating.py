"""New secrets: of a source, of an operator, and keys of ours at a partner. Each is shown once, on purpose."""

import base64
import secrets
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from leadbridge_cli.exit_codes import Code, Failure, not_found, wrong_use
from leadbridge_cli.secret_schemas import check_shape
from leadbridge_cli.secrets_store import Kept, Vault, new_token

if TYPE_CHECKING:
    from leadbridge.partners.kind import KeyRotation

STANDARD_WEBHOOKS = "whsec_"


@dataclass(frozen=True)
class Rotated:
    """What came of it, and what is to be done next. What is None is not said."""

    name: str
    whose: str | None
    then: str
    secret: str | None = None
    token: str | None = None
    public_key: str | None = None

    def document(self) -> dict[str, Any]:
        """The same for scripts."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "then"}

    def lines(self) -> list[str]:
        """The same for a person."""
        shown = self.secret or self.token or self.public_key
        return [*([] if shown is None else shown.strip().splitlines()), self.then]

    def __repr__(self) -> str:
        return f"Rotated({self.name!r}, {self.whose!r})"


def source(vault: Vault, name: str, *, drop_old: bool) -> Rotated:
    """A new secret before the old one, or the old one dropped. Raises Failure."""
    seen, value = _known(vault, "sources")
    entry = value.get(name)
    if not isinstance(entry, dict) or not entry.get("secrets"):
        raise not_found(f"There is no source {name} among the secrets: {', '.join(sorted(value))}.")
    current, *old = entry["secrets"]
    if drop_old:
        if not old:
            raise Failure(Code.CONFLICT, f"{name} has one secret only: there is no old one to drop.")
        value[name] = {**entry, "secrets": [current]}
        check_shape("sources", value)
        vault.replace("sources", seen, value)
        return Rotated("sources", name, "The old secret is refused within a minute.")
    if old:
        raise Failure(Code.CONFLICT, f"{name} has two secrets already: once the form has the new one, --drop-old.")
    secret = _like(str(current))
    value[name] = {**entry, "secrets": [secret, current]}
    check_shape("sources", value)
    vault.replace("sources", seen, value)
    then = f"Give it to the form within its own time: both are taken until `secrets rotate sources {name} --drop-old`."
    return Rotated("sources", name, then, secret=secret)


def operator(vault: Vault, name: str, *, is_new: bool) -> Rotated:
    """A token for an operator, instead of the one there was. Raises Failure."""
    seen, value = _known(vault, "operators", or_empty=is_new)
    if is_new and name in value:
        raise Failure(Code.CONFLICT, f"{name} has a token already: without --new it is replaced.")
    if not is_new and name not in value:
        raise not_found(f"There is no operator {name}: --new makes one.")
    if not name.isprintable() or not name.strip():
        raise wrong_use("An operator's name is a printable text.")
    token = new_token()
    value[name] = token
    check_shape("operators", value)
    vault.replace("operators", seen, value)
    return Rotated("operators", name, f"This is the token of {name}. It is not shown again.", token=token)


def key_rotation(name: str) -> "KeyRotation | None":
    """How our key at a partner of this kind is replaced; None for a secret that has none."""
    from leadbridge.partners.registry import kind_named, kind_names

    return kind_named(name).secret.rotation if name in kind_names() else None


def partner(vault: Vault, name: str, rotation: "KeyRotation") -> Rotated:
    """A new key of ours: the private half is stored, the public one is for the partner. Raises Failure."""
    seen, value = _known(vault, name)
    renewed = rotation.renew(value)
    check_shape(name, renewed.value)
    vault.replace(name, seen, renewed.value)
    then = f"{renewed.then}; then `leadbridge secrets check {name}`."
    return Rotated(name, None, then, public_key=renewed.public_key)


def _known(vault: Vault, name: str, *, or_empty: bool = False) -> tuple[Kept, dict[str, Any]]:
    seen = vault.read(name)
    if seen.value is None and not or_empty:
        raise not_found(f"{name} has no value yet: `secrets put {name} FILE`.")
    return seen, dict(seen.value or {})


def _like(secret: str) -> str:
    """A new secret of the same kind."""
    if secret.startswith(STANDARD_WEBHOOKS):
        return STANDARD_WEBHOOKS + base64.b64encode(secrets.token_bytes(32)).decode()
    return new_token()
