"""The front door as an app, and the admin with our own site."""

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig as StockAdminConfig
from django.db.models.signals import post_migrate


class FrontDoorConfig(AppConfig):
    """Stands before the admin, so that our templates and static files win."""

    name = "bgreview"
    verbose_name = "bgreview"

    def ready(self) -> None:
        from bgreview import checks, groups  # noqa: F401

        # The last app with rights of ours: all permissions exist by then.
        last = apps.get_app_config("reviews")
        post_migrate.connect(groups.make_missing_groups, sender=last)


class AdminConfig(StockAdminConfig):
    """Django's admin on our site: our title, our front page."""

    default_site = "bgreview.admin_site.ReviewDesk"
