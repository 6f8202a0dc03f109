"""Following a job: how it is, said when it changes.

Here it is said at once. `waiting.py`, in front of Django, holds the answer back until
there is news, and asks again.
"""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from jobs.api.fields import Digits, StrictSerializer
from jobs.api.serializers import JobDetail
from jobs.api.shapes import TEXT, record
from jobs.api.viewset import ApiViewSet
from jobs.models import Job

LONGEST = 60  # seconds that an answer is held back at most
USUAL = 20
HIGHEST = 2_147_483_647  # of a revision, in the database


class WaitOptions(StrictSerializer):
    """`revision`: the last one you know of; without it, the one of now."""

    timeout = Digits(min_value=0, max_value=LONGEST, default=USUAL)
    revision = Digits(min_value=0, max_value=HIGHEST, required=False)


EVENT = record(id=TEXT, event=TEXT, data=TEXT)


class EventStream(JSONRenderer):
    """A job as a server-sent event; its id is the revision."""

    media_type = "text/event-stream"
    format = "event-stream"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        said = super().render(data, "application/json")
        return b"id: %d\nevent: job\ndata: %s\n\n" % (data["revision"], said)


class FollowViewSet(ApiViewSet[Job]):
    """News of a job one may see."""

    queryset = Job.objects.none()
    serializer_class = JobDetail
    lookup_field = "public_id"
    lookup_value_converter = "uuid"
    pagination_class = None
    filterset_class = None
    parameters = {"wait": frozenset(WaitOptions().fields)}

    def get_queryset(self) -> QuerySet[Job]:
        jobs = Job.objects.visible_to(self.request.user)
        return jobs.select_related("version__job_type", "requester")

    @extend_schema(parameters=[WaitOptions], responses=JobDetail)
    @action(detail=True)
    def wait(self, request: Request, public_id: str) -> Response:
        """The job, as soon as its revision is another, or when the time is up.

        Without `revision`, what has ended is answered at once. The answer tells by its
        own `revision` whether anything changed.
        """
        said = WaitOptions(data=request.query_params.dict())
        said.is_valid(raise_exception=True)
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(responses={(200, EventStream.media_type): EVENT})
    @action(detail=True, renderer_classes=[EventStream])
    def stream(self, request: Request, public_id: str) -> Response:
        """The job as server-sent events: now, and whenever its revision changes.

        It ends when the job has come to rest. Whoever comes again with `Last-Event-ID`
        is told only what is new.
        """
        return Response(self.get_serializer(self.get_object()).data)
