"""The addresses of reviews and deliveries, under /api/v1/."""

from rest_framework.routers import SimpleRouter

from reviews.api.review_views import ReviewViewSet
from reviews.api.tool_outputs import ToolOutputsViewSet
from reviews.api.version_views import VersionViewSet
from reviews.api.views import DeliveryViewSet, JobReviewViewSet

router = SimpleRouter(use_regex_path=False)
router.register("reviews", ReviewViewSet, basename="review")
router.register("reviews", VersionViewSet, basename="review-version")
router.register("deliveries", DeliveryViewSet, basename="delivery")
router.register("jobs", JobReviewViewSet, basename="job-review")
router.register("jobs", ToolOutputsViewSet, basename="job-tool-outputs")
urlpatterns = router.urls
