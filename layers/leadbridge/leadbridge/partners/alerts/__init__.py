"""The targets of alerts: chats of Telegram and webhooks."""
