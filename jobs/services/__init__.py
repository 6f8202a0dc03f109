"""What can be done with jobs, a use case or a family of them per file."""
