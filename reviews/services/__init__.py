"""What people can do with results, and what follows, a use case per file."""
