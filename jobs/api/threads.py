"""The API of threads: translate, call one service, translate back."""

from collections.abc import Mapping

from django.db.models import Q, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from jobs.api.fields import Dollars, Metadata, Nothing, StrictSerializer, Text, Whole
from jobs.api.filters import require_a_time_of_utc, since, until
from jobs.api.shapes import COUNT
from jobs.api.viewset import ApiViewSet
from jobs.kit.paging import NewestFirst
from jobs.models import Thread
from jobs.models.thread import STATES
from jobs.services.closing import archive_thread, delete_thread
from jobs.services.submit import InvalidInput
from jobs.services.thread_stats import ThreadStats, stats_of
from jobs.services.threads import KEY, get_or_create_thread

MOST_MESSAGES = 1_000_000
OLDEST = 10 * 366 * 86_400  # seconds
ARCHIVE = {"true": True, "false": False}
PARTS = ["stats", "archive"]


class NewThread(StrictSerializer):
    """What a thread is made with; one that is there stays as it is."""

    key = Text(max_length=KEY, trim_whitespace=False)
    expires_at = serializers.DateTimeField(
        required=False,
        validators=[require_a_time_of_utc],
        help_text="When it is deleted by itself; threads of sessions live for a day.",
    )
    metadata = Metadata(required=False)
    max_messages = Whole(required=False, min_value=2, max_value=MOST_MESSAGES)
    max_age_seconds = Whole(required=False, min_value=1, max_value=OLDEST)


class ThreadView(serializers.ModelSerializer[Thread]):
    """A thread; `active_job` has its turn, and the others wait."""

    id = serializers.UUIDField(source="public_id")
    state = serializers.ChoiceField(choices=Thread.State.choices)
    owner = serializers.CharField(source="owner.username")
    active_job = serializers.UUIDField(
        source="active_job.public_id", default=None, allow_null=True
    )
    trouble = serializers.CharField(
        help_text="Why its next step did not succeed yet; empty where it did."
    )
    links = serializers.SerializerMethodField()

    class Meta:
        model = Thread
        fields = (
            "id",
            "key",
            "state",
            "owner",
            "active_job",
            "metadata",
            "created_at",
            "expires_at",
            "max_messages",
            "max_age_seconds",
            "archived_at",
            "deleted_at",
            "trouble",
            "links",
        )

    @extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
    def get_links(self, thread: Thread) -> dict[str, str]:
        request = self.context.get("request")
        own = reverse("api:thread-detail", args=[thread.public_id], request=request)
        return {"self": own} | {part: f"{own}{part}/" for part in PARTS}


class StatsView(serializers.Serializer[ThreadStats]):
    """`messages`: asked and answered, without what was taken out again."""

    messages = serializers.IntegerField()
    jobs = serializers.IntegerField()
    jobs_by_status = serializers.SerializerMethodField()
    attempts = serializers.IntegerField()
    conversations = serializers.IntegerField()
    items_copied = serializers.IntegerField()
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    last_run_at = serializers.DateTimeField(allow_null=True)
    age_seconds = serializers.SerializerMethodField()
    cost = Dollars()

    @extend_schema_field({"type": "object", "additionalProperties": COUNT})
    def get_jobs_by_status(self, stats: ThreadStats) -> dict[str, int]:
        return stats.jobs_by_status

    @extend_schema_field(COUNT)
    def get_age_seconds(self, stats: ThreadStats) -> int:
        return int(stats.age.total_seconds())


class ThreadFilter(filters.FilterSet):
    """By what stands on the thread."""

    state = filters.MultipleChoiceFilter(
        choices=Thread.State.choices, method="in_state"
    )
    key = filters.CharFilter()
    owner = filters.CharFilter(field_name="owner__username")
    created_after = since("created_at")
    created_before = until("created_at")

    class Meta:
        model = Thread
        fields: tuple[str, ...] = ()

    def in_state(
        self, threads: QuerySet[Thread], name: str, value: list[str]
    ) -> QuerySet[Thread]:
        if not value:
            return threads
        wanted = Q()
        for state in value:
            wanted |= STATES[state]
        return threads.filter(wanted)


class ThreadViewSet(
    mixins.ListModelMixin, mixins.RetrieveModelMixin, ApiViewSet[Thread]
):
    """Threads one may see: one's own, or all with the right to see all jobs."""

    queryset = Thread.objects.none()
    serializer_class = ThreadView
    pagination_class = NewestFirst
    filterset_class = ThreadFilter
    lookup_field = "public_id"
    lookup_value_converter = "uuid"
    about: Mapping[str, str] = {"thread": "id"}
    parameters: Mapping[str, frozenset[str]] = {"destroy": frozenset({"archive"})}

    def get_queryset(self) -> QuerySet[Thread]:
        threads = Thread.objects.visible_to(self.request.user)
        return threads.select_related("owner", "active_job")

    @extend_schema(request=NewThread, responses={200: ThreadView, 201: ThreadView})
    def create(self, request: Request) -> Response:
        """Get the thread of this key, or make it: 201 when it was made now."""
        said = NewThread(data=request.data)
        said.is_valid(raise_exception=True)
        try:
            thread, made = get_or_create_thread(by=self.person, **said.validated_data)
        except InvalidInput as invalid:
            raise ValidationError(invalid.errors) from invalid
        return self._shown(thread, 201 if made else 200)

    @extend_schema(
        parameters=[
            OpenApiParameter("archive", bool, description="Keep a copy of its items.")
        ],
        responses={202: ThreadView},
    )
    def destroy(self, request: Request, public_id: str) -> Response:
        """Delete it: what runs is cancelled, then the provider deletes it.

        It takes no jobs from now on; `state` tells how far that is.
        """
        said = request.query_params.get("archive", "false")
        if said not in ARCHIVE:
            raise ValidationError({"archive": ["This must be true or false."]})
        keep = ARCHIVE[said]
        thread = delete_thread(self.get_object(), by=self.person, archive=keep)
        return self._shown(thread, 202)

    @extend_schema(responses=StatsView)
    @action(detail=True, filterset_class=None)
    def stats(self, request: Request, public_id: str) -> Response:
        """What happened in it, in numbers."""
        return Response(StatsView(stats_of(self.get_object())).data)

    @extend_schema(request=None, responses={202: ThreadView})
    @action(detail=True, methods=["post"])
    def archive(self, request: Request, public_id: str) -> Response:
        """Copy its items and close it, once the jobs in it have come to their ends."""
        Nothing(data=request.data).is_valid(raise_exception=True)
        return self._shown(archive_thread(self.get_object(), by=self.person), 202)

    def _shown(self, thread: Thread, status: int) -> Response:
        thread = self.get_queryset().get(pk=thread.pk)
        shown = ThreadView(thread, context=self.get_serializer_context())
        return Response(shown.data, status)
