"""The only place where the provider's words are known."""
