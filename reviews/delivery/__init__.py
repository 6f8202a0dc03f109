"""The only way content leaves: by signed webhook, or by mail."""
