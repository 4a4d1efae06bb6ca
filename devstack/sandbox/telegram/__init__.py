"""Telegram's Bot API, as far as a bot that only writes messages uses it."""
