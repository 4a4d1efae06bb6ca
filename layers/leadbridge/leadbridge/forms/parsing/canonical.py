"""The canonical content of a post. Two posts with equal canonical content are the same submission.

It ignores content type, boundary, character set, the order of fields, empty fields, tokens, and fields of the website
itself. As in the fields of a lead, it ignores white space, invisible characters and the Unicode form, but not case.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping

from leadbridge.domain.fields.unicode_text import clean

# Fields of the transport or of the website's own checks, which differ between posts of the same answers.
TRANSPORT_FIELDS = frozenset(
    {
        *("token", "_charset_"),
        *("_wpnonce", "_wp_http_referer", "_wpcf7_version", "_wpcf7_locale", "_wpcf7_unit_tag"),
        *("_wpcf7_container_post", "_wpcf7_posted_data_hash", "_wpcf7_recaptcha_response"),
        *("g-recaptcha-response", "h-captcha-response", "cf-turnstile-response"),
    }
)


def without_transport(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields without those in `TRANSPORT_FIELDS`."""
    return {name: value for name, value in fields.items() if name.strip().casefold() not in TRANSPORT_FIELDS}


def content_hash(key: str, source: str, content: Mapping[str, str]) -> str:
    """Return a keyed digest of a post's content: HMAC-SHA256 under `key`, hexadecimal.

    Without a key it could be guessed: in most posts only the phone number is unknown.
    """
    pairs = sorted((clean(name), value) for name, text in content.items() if (value := clean(text)))
    canonical = json.dumps([source, pairs])  # ASCII, because a JSON body may contain lone surrogates
    return hmac.new(key.encode(), canonical.encode(), hashlib.sha256).hexdigest()
