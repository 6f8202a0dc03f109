"""Job types, and the versions that say what they do."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString
from jsonschema import validators
from jsonschema.exceptions import SchemaError

from jobs.kit import looks
from jobs.kit.versioned import PrettyJson, VersionedAdmin
from jobs.models import JobType, JobTypeVersion

MODES = {"score", "block"}  # of moderation: tell, or hold the answer back
WINDOWS = {"2h": 7_200, "8h": 28_800}  # seconds
OURS = {
    "background",
    "background_options",
    "conversation",
    "include",
    "input",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "moderation",
    "previous_response_id",
    "prompt",
    "safety_identifier",
    "store",
    "stream",
    "tools",
}


class VersionForm(forms.ModelForm[JobTypeVersion]):
    """What a version says, each part with its rule."""

    input_schema = PrettyJson()
    output_schema = PrettyJson()
    tools = PrettyJson(empty=list)
    moderation = PrettyJson()
    options = PrettyJson(empty=dict)

    class Meta:
        model = JobTypeVersion
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "instructions": forms.Textarea(attrs={"rows": 4}),
            "prompt_template": forms.Textarea(attrs={"rows": 6}),
        }
        fields = (
            "model",
            "instructions",
            "prompt_template",
            "input_schema",
            "output_schema",
            "tools",
            "completion_window",
            "max_tool_calls",
            "moderation",
            "sends_safety_identifier",
            "options",
            "max_output_tokens",
            "max_tries",
            "on_lost",
            "attempt_seconds",
            "deadline_seconds",
            "in_thread",
            "thread_max_messages",
            "thread_max_age_seconds",
            "waives_review",
        )

    def _schema(self, name: str) -> Any:
        schema = self.cleaned_data[name]
        if schema is None:
            return None
        try:
            validators.validator_for(schema).check_schema(schema)
        except (SchemaError, TypeError, AttributeError) as wrong:
            message = getattr(wrong, "message", str(wrong))
            raise forms.ValidationError(
                f"This is not a JSON schema: {message}"
            ) from wrong
        return schema

    def clean_input_schema(self) -> Any:
        return self._schema("input_schema") or {}

    def clean_output_schema(self) -> Any:
        return self._schema("output_schema")

    def clean_tools(self) -> Any:
        said = self.cleaned_data["tools"]
        if not (isinstance(said, list) and all(map(_is_tool, said))):
            raise forms.ValidationError(
                'Tools are a list of objects with a type: [{"type": "web_search"}].'
            )
        return said

    def clean_moderation(self) -> Any:
        """As the provider takes it: a model, and a mode for input and output."""
        said = self.cleaned_data["moderation"]
        if said is not None and not _is_moderation(said):
            raise forms.ValidationError(
                "Name the moderation model, and the mode (score or block) for input "
                'or output: {"model": "omni-moderation-latest", '
                '"policy": {"output": {"mode": "score"}}}.'
            )
        return said

    def clean_options(self) -> Any:
        """Further fields only: those that we set ourselves would be overruled."""
        said = self.cleaned_data["options"]
        if not isinstance(said, dict):
            raise forms.ValidationError("Options are an object of names and values.")
        if ours := sorted(OURS & set(said)):
            raise forms.ValidationError(
                f"{', '.join(ours)}: set by bgreview itself, or by a field above."
            )
        return said

    def clean(self) -> dict[str, Any]:
        """An attempt is given the provider's time; a schema says what the text is."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if said.get("output_schema") and "text" in said.get("options", {}):
            self.add_error("options", "text: the output schema says it.")
        window = WINDOWS.get(said.get("completion_window", ""), 0)
        for limit in ("attempt_seconds", "deadline_seconds"):
            if said.get(limit) and said[limit] <= window:
                least = f"This must be more than {window}: the provider may take that."
                self.add_error(limit, least)
        return said


def _is_tool(said: Any) -> bool:
    return isinstance(said, dict) and _is_text(said.get("type"))


def _is_moderation(said: Any) -> bool:
    if not (isinstance(said, dict) and _is_text(said.get("model"))):
        return False
    policy = said.get("policy", {})
    return isinstance(policy, dict) and all(
        side in ("input", "output") and isinstance(how, dict) and _has_mode(how)
        for side, how in policy.items()
    )


def _has_mode(how: dict[str, Any]) -> bool:
    return _is_text(how.get("mode")) and how["mode"] in MODES


def _is_text(said: Any) -> bool:
    return isinstance(said, str) and said.strip() != ""


@admin.register(JobType)
class JobTypeAdmin(VersionedAdmin):
    """Kinds of job; what integrators submit under never changes."""

    list_display = ("title", "name", "state", "version", "description")
    search_fields = ("title", "name")
    fields = (
        "name",
        "title",
        "description",
        "is_active",
        "keep_days",
        "deletes_at_provider",
    )
    ordering = ("name",)
    sortable_by = ()
    version_model = JobTypeVersion
    version_form = VersionForm
    add_label = "Add a job type"
    empty_title = "No job types yet"
    empty_note = "A job type says which model runs, with which prompt and schemas."
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        last = JobTypeVersion.objects.filter(job_type=OuterRef("pk"))
        newest = last.order_by("-number").values("number")[:1]
        return super().get_queryset(request).annotate(newest=Subquery(newest))

    def get_readonly_fields(
        self, request: HttpRequest, obj: Model | None = None
    ) -> tuple[str, ...]:
        return ("name",) if obj else ()

    @admin.display(description="State")
    def state(self, job_type: JobType) -> SafeString:
        return looks.badge("active" if job_type.is_active else "switched_off")

    @admin.display(description="Version")
    def version(self, job_type: Any) -> Any:
        return job_type.newest or looks.NONE
