"""What `manage.py demo` works with: four job types, and real inputs to run them on."""
