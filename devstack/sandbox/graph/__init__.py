"""Meta's Graph API, as far as it serves the leads of Lead Ads."""
