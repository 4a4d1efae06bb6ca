"""The canonical content of a post. Two posts with equal canonical content are the same submission.

It ignores content type, boundary, character set, the order of fields, empty fields, tokens, the time of sending,
honeypots and fields of the website itself, unless the source's configuration names the field. As in the fields of a
lead, it ignores white space, invisible characters and the Unicode form, but not case.
"""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Collection, Iterable, Mapping

from leadbridge.domain.fields.unicode_text import clean, collapse
from leadbridge.forms.mapping import configured_names, fold_configured
from leadbridge.settings import Source

MAX_FIELDS = 1000  # of a post with more, white space and invisible characters count too
MAX_NORMALIZED = 2048  # characters; of a longer text the Unicode form counts too
MAX_TRANSPORT_NAME = 100  # characters

# Fields of the transport or of the website's own checks, which differ between posts of the same answers.
TRANSPORT_FIELDS = frozenset(
    {
        # tokens against forgery and robots
        *("token", "_token", "_charset_", "utf8", "nonce", "_wpnonce", "_wp_http_referer", "form_token", "form_key"),
        *("csrf", "csrf_token", "_csrf", "_csrf_token", "csrfmiddlewaretoken", "authenticity_token", "xsrf_token"),
        *("__requestverificationtoken", "form_build_id", "sessid", "bitrix_sessid"),
        *("g-recaptcha-response", "h-captcha-response", "cf-turnstile-response", "recaptcha_response", "smart-token"),
        *("frc-captcha-solution", "frc-captcha-response", "altcha", "captcha", "captcha_token"),
        # what Contact Form 7 adds
        *("_wpcf7_version", "_wpcf7_locale", "_wpcf7_unit_tag", "_wpcf7_container_post", "_wpcf7_posted_data_hash"),
        *("_wpcf7_recaptcha_response", "_wpcf7_ak_js", "ak_js"),
        # when the post was made or sent
        *("timestamp", "_timestamp", "time_stamp", "ts", "_ts", "sent_at", "sentat", "send_time", "submitted_at"),
        *("submittedat", "submit_time", "submission_time", "submission_date", "form_submitted_at", "request_time"),
        *("submitdate", "form_start", "form_started_at", "client_time"),
        # fields that only robots fill in
        *("honeypot", "_honeypot", "_honey", "_gotcha", "bot-field", "hp", "_hp", "_wpcf7_ak_hp_textarea"),
        *("ak_hp_textarea",),
    }
)

_PLAIN_FIELDS = frozenset(name.replace("_", "").replace("-", "") for name in TRANSPORT_FIELDS)
# Parts of such names: `et_pb_contact_token`, `recaptchaToken`, `X-CSRF-Token`, `_mc4wp_honeypot`, `form-nonce`.
_ENDS = ("token", "timestamp")
_NONCES = ("_nonce", "-nonce", "formnonce")  # not the end of any word: French has `annonce`
_PARTS = re.compile("[cx]srf|captcha|turnstile|honeypot")
_ANYWHERE = re.compile(f"{'|'.join(_ENDS)}|nonce|{_PARTS.pattern}")


def canonical_content(content: Mapping[str, str], source: Source) -> dict[str, str]:
    """Return a post's fields without those of the transport. Fields that the source's configuration names remain."""
    honeypot = None if source.honeypot is None else fold_configured(source.honeypot)
    if honeypot is None and not _may_have_transport(content):
        return dict(content)
    named = configured_names(source)
    return {name: text for name, text in content.items() if not _is_transport(name, named, honeypot)}


def _may_have_transport(names: Iterable[str]) -> bool:
    """Return whether one of the names could be one of the transport. It is much faster than to look at each."""
    plain = "".join(".".join(names).casefold().split()).replace("_", "").replace("-", "")
    parts = plain.replace("[", ".").replace("]", "").split(".")
    return not _PLAIN_FIELDS.isdisjoint(parts) or _ANYWHERE.search(plain) is not None


def _is_transport(name: str, named: Collection[str], honeypot: str | None) -> bool:
    if len(name) > MAX_TRANSPORT_NAME:
        return False
    folded = " ".join(name.casefold().split())
    if folded == honeypot:
        return True
    if folded in named:
        return False
    # The last part of `wpforms[token]` and `meta.sent_at`. A name with a space is a question.
    last = folded.rstrip("]").replace("[", ".").rpartition(".")[2]
    plain = last.replace("_", "").replace("-", "")
    if plain in _PLAIN_FIELDS:
        return True
    return " " not in last and (plain.endswith(_ENDS) or last.endswith(_NONCES) or _PARTS.search(plain) is not None)


def content_hash(key: str, source: str, content: Mapping[str, str]) -> str:
    """Return a keyed digest of a post's content: HMAC-SHA256 under `key`, hexadecimal.

    Without a key it could be guessed: in most posts only the phone number is unknown.
    """
    comparable = _comparable if len(content) <= MAX_FIELDS else str.strip
    pairs = sorted((comparable(name), value) for name, text in content.items() if (value := comparable(text)))
    canonical = json.dumps([source, pairs])  # ASCII, because a JSON body may contain lone surrogates
    return hmac.digest(key.encode(), canonical.encode(), "sha256").hex()


def _comparable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return " ".join(text.split()) if " " in text else text
    return clean(text) if len(text) <= MAX_NORMALIZED else collapse(text)
