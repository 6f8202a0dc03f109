#!/usr/bin/env python
"""Django's command line for bgreview."""

import os
import sys

from django.core.management import execute_from_command_line, load_command_class

# The sandbox needs no settings, and the demo has its own: neither waits for Django to
# start with those that are here.
WITHOUT_SETTINGS = {"demo": "bgreview", "sandbox": "jobs"}

if __name__ == "__main__":
    name = "".join(sys.argv[1:2])
    if app := WITHOUT_SETTINGS.get(name):
        load_command_class(app, name).run_from_argv(sys.argv)
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bgreview.settings")
        execute_from_command_line(sys.argv)
