"""Meta's Graph API, as far as it keeps the leads of Lead Ads."""
