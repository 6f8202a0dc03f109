#!/usr/bin/env python
"""Django's command line for bgreview."""

import gc
import os
import sys

import django
from django.core.management import execute_from_command_line, load_command_class

from jobs.kit.loading import loading

# The sandbox needs no settings, and the demo has its own: neither waits for Django to
# start with those that are here.
WITHOUT_SETTINGS = {"demo": "bgreview", "sandbox": "jobs"}


def main(name: str) -> None:
    if app := WITHOUT_SETTINGS.get(name):
        with loading():
            command = load_command_class(app, name)
        command.run_from_argv(sys.argv)
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bgreview.settings")
        with loading():
            django.setup()
        gc.freeze()  # what was loaded stays, and is shared with what we fork
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main("".join(sys.argv[1:2]))
