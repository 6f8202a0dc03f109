"""Every address of the house."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views import defaults
from django.views.generic import RedirectView
from django_prometheus.exports import ExportToDjangoView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from bgreview import health
from jobs import webhooks
from jobs.api import urls as jobs_api
from jobs.kit.problems import not_found, problem_or
from reviews.api import urls as reviews_api

handler400 = problem_or(400, defaults.bad_request)
handler403 = problem_or(403, defaults.permission_denied)
handler500 = problem_or(500, defaults.server_error)
admin.autodiscover()  # here, and not in processes without pages
docs = SpectacularSwaggerSplitView.as_view(template_name="api_docs.html")
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/v1/", include((jobs_api.urlpatterns + reviews_api.urlpatterns, "api"))),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", docs, name="docs"),
    re_path(r"^api(?:/|$)", not_found),
    path(webhooks.PATH.removeprefix("/"), webhooks.openai_webhook),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("statusz", health.statusz),
    path("metrics", ExportToDjangoView),
]
