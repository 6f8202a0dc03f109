"""The addresses of the API, under /api/v1/."""

from rest_framework.routers import SimpleRouter

from jobs.api import schema  # noqa: F401  (registers itself)
from jobs.api.bulk import BulkViewSet
from jobs.api.follow import FollowViewSet
from jobs.api.threads import ThreadViewSet
from jobs.api.views import JobTypeViewSet, JobViewSet

router = SimpleRouter(use_regex_path=False)
router.register("jobs", JobViewSet, basename="job")
router.register("jobs", BulkViewSet, basename="job-bulk")
router.register("jobs", FollowViewSet, basename="job-follow")
router.register("threads", ThreadViewSet, basename="thread")
router.register("job-types", JobTypeViewSet, basename="job-type")
urlpatterns = router.urls
