"""What all calls about one review have in common: which there are, how they answer."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.viewset import ApiViewSet
from reviews.api import review_shapes as shapes
from reviews.models import Review


class OneReviewViewSet(ApiViewSet[Review]):
    """Reviews one may see: with the rights to, of all jobs, else of one's own."""

    queryset = Review.objects.none()
    serializer_class = shapes.ReviewDetail
    lookup_url_kwarg = "id"
    lookup_value_converter = "int"
    about: Mapping[str, str] = {"job": "job"}

    def get_queryset(self) -> QuerySet[Review]:
        rows = Review.objects.visible_to(self.request.user).select_related(
            "job__version__job_type",
            "job__requester",
            "result__author",
            "result__parent",
            "claimed_by",
        )
        return rows.prefetch_related(
            "checks__done_by",
            "verdicts__by",
            "verdicts__citation",
            "decisions__by",
            "decisions__beside",
            "decisions__delivery",
            "result__citations",
        )

    def said(self, shape: Any, request: Request) -> dict[str, Any]:
        """What was sent, in this shape and no other."""
        said = shape(data=request.data)
        said.is_valid(raise_exception=True)
        return dict(said.validated_data)

    def shown(self, status: int = 200) -> Response:
        """As it is now, with the `seen` for whatever comes next."""
        context = self.get_serializer_context()
        shown = shapes.ReviewDetail(self.get_object(), context=context)
        return Response(shown.data, status)
