"""Lead Leader, a credit broker in Ukraine: RSA-signed authorization, one-time tokens, short deals, their statuses."""
