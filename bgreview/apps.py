"""The front door as an app, and the admin with our own site."""

from importlib import import_module
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks
from django.db.models.signals import post_migrate


class FrontDoorConfig(AppConfig):
    """Stands before the admin, so that our templates and static files win."""

    name = "bgreview"
    verbose_name = "bgreview"

    def ready(self) -> None:
        from bgreview import checks, groups  # noqa: F401  (registers)

        # The last app with rights of ours: all permissions exist by then.
        last = apps.get_app_config("reviews")
        post_migrate.connect(groups.make_missing_groups, sender=last)


class AdminConfig(SimpleAdminConfig):
    """Django's admin on our site: our title, our front page.

    It is discovered with the addresses: what has no pages, as the processes of a
    cluster, starts sooner without it.
    """

    default_site = "bgreview.admin_site.ReviewDesk"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_discovered, checks.Tags.admin)


def check_discovered(app_configs: Any, **kwargs: Any) -> list[checks.CheckMessage]:
    """Django's own check of the admin, once it is there to be checked."""
    import_module(settings.ROOT_URLCONF)
    return list(check_admin_app(app_configs, **kwargs))
