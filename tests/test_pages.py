"""The admin's pages: safe under the strict policy, cheap, and as rights allow."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from bgreview.overview import pulse
from jobs.courier import Courier
from jobs.models import Job, JobType, Pause, RawResponse, Sweep
from jobs.services.hold import set_legal_hold
from reviews.models import Destination
from tests.house import bring_to, browser, person, submit, webhook

INLINE = re.compile(
    r"<style|<script(?![^>]*\ssrc=)|\sstyle\s*=|\son[a-z]+\s*=|data:|href=.javascript",
    re.I,
)
FOREIGN = re.compile(
    r"""(?:src|action)=["'](?:https?:)?//|<link[^>]*href=["'](?:https?:)?//"""
)


@pytest.fixture
def boss(db: None) -> User:
    return person("boss", is_superuser=True)


@pytest.fixture
def boss_page(boss: User) -> Client:
    return browser(boss)


def path_to(name: str, *args: Any) -> str:
    return reverse(f"admin:{name}", args=args)


LISTS = [
    "index",
    "jobs_job_changelist",
    "jobs_job_submit",
    "reviews_review_changelist",
    "reviews_delivery_changelist",
    "jobs_jobtype_changelist",
    "jobs_jobtype_add",
    "reviews_destination_changelist",
    "reviews_destination_add",
    "reviews_reviewpolicy_changelist",
    "reviews_reviewpolicy_add",
    "jobs_pause_changelist",
    "jobs_sweep_changelist",
    "jobs_webhookreceipt_changelist",
    "jobs_apitoken_changelist",
    "auth_user_changelist",
    "auth_user_add",
    "auth_group_changelist",
    "auth_group_add",
    "password_change",
]


def assert_strict(response: Any) -> None:
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    html = response.content.decode()
    assert not INLINE.findall(html)
    assert not FOREIGN.findall(html)


@pytest.mark.parametrize("name", LISTS)
def test_every_page_is_strict(name: str, boss_page: Client, note: JobType) -> None:
    response = boss_page.get(path_to(name))
    assert response.status_code == 200
    assert_strict(response)


def test_the_pages_of_a_job_and_a_type_are_strict(
    boss: User, boss_page: Client, note: JobType
) -> None:
    job = submit(boss)
    for path in [
        path_to("jobs_job_change", job.pk),
        path_to("jobs_job_submit_type", note.name),
        path_to("jobs_jobtype_change", note.pk),
        path_to("jobs_jobtype_version", note.pk),
    ]:
        response = boss_page.get(path)
        assert response.status_code == 200
        assert_strict(response)


def test_the_login_page_is_strict_and_shows_no_menu(client: Client, db: None) -> None:
    response = client.get(path_to("login"))
    assert_strict(response)
    assert "side-nav" not in response.content.decode()


# ---- the front page ----------------------------------------------------------------
def test_the_front_page_counts_and_links(
    boss: User, boss_page: Client, note: JobType
) -> None:
    submit(boss)
    html = boss_page.get(path_to("index")).content.decode()
    link = path_to("jobs_job_changelist") + "?status__exact=queued"
    assert re.search(rf'href="{re.escape(link)}"><strong>1</strong>', html)


def test_the_front_page_asks_the_same_number_of_questions_however_many_jobs(
    boss: User, boss_page: Client, note: JobType, django_assert_max_num_queries: Any
) -> None:
    for _ in range(15):
        submit(boss)
    with django_assert_max_num_queries(14):
        boss_page.get(path_to("index"))


def test_every_lane_is_named(boss_page: Client) -> None:
    for lane in ("provider", "outbox", "doctor", "cleanup"):
        at = timezone.now()
        Sweep.objects.create(lane=lane, host="one", pid=7, started_at=at, beat_at=at)
    html = boss_page.get(path_to("jobs_sweep_changelist")).content.decode()
    cells = re.findall(r"field-lane[^>]*>(?:<a[^>]*>)?([^<]*)<", html)
    assert sorted(cells) == [
        "deletes what is old",
        "looks for what should not be",
        "sends what was approved",
        "starts and asks",
    ]


def test_a_silent_sweep_is_told_with_what_to_do(boss_page: Client) -> None:
    html = boss_page.get(path_to("index")).content.decode()
    assert "has not run yet" in html
    assert "manage.py worker" in html


@pytest.mark.parametrize(
    ("age", "tone"), [(0.4, "good"), (60, "wait"), (180, "bad"), (None, "bad")]
)
def test_the_pulse_tells_how_fresh_a_sweep_is(age: float | None, tone: str) -> None:
    now = timezone.now()
    beat = None if age is None else now - timedelta(seconds=age)
    assert pulse("Sweep", beat, now).tone == tone


def test_an_active_pause_and_the_sandbox_are_on_every_page(
    boss_page: Client, settings: Any
) -> None:
    settings.PROVIDER = "sandbox"
    Pause.objects.create(
        scope="starts", reason="quota", note="No money.", began_at=timezone.now()
    )
    html = boss_page.get(path_to("jobs_sweep_changelist")).content.decode()
    assert "New starts paused" in html
    assert "No money." in html
    assert "Sandbox provider" in html


# ---- lists -------------------------------------------------------------------------
@pytest.mark.both_databases
def test_the_job_list_asks_the_same_number_of_questions_however_many_rows(
    boss: User, boss_page: Client, note: JobType, django_assert_max_num_queries: Any
) -> None:
    for _ in range(30):
        submit(boss)
    with django_assert_max_num_queries(12):
        html = boss_page.get(path_to("jobs_job_changelist")).content.decode()
    assert html.count('class="badge idle">Queued') == 30


def test_a_job_is_found_by_the_beginning_of_its_id(
    boss: User, boss_page: Client, note: JobType
) -> None:
    wanted, _ = submit(boss, title="Wanted"), submit(boss, title="Other")
    start = str(wanted.public_id)[:8]
    html = boss_page.get(
        path_to("jobs_job_changelist") + f"?q={start}"
    ).content.decode()
    assert "Wanted" in html
    assert "Other" not in html


def test_a_title_cannot_act(boss: User, boss_page: Client, note: JobType) -> None:
    job = submit(boss, title="<script>alert(1)</script>")
    for path in [path_to("jobs_job_changelist"), path_to("jobs_job_change", job.pk)]:
        html = boss_page.get(path).content.decode()
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html


def test_nothing_that_others_wrote_is_hidden_on_the_job_page(
    boss: User, boss_page: Client, note: JobType, courier: Courier
) -> None:
    bidi = "a\u202eb\u200bc"
    metadata = {f"name {bidi}": f"value {bidi}"}
    job = submit(boss, "Hi. [sandbox:blocked]", metadata=metadata)
    job = bring_to("failed", job, courier)
    told = {"failure_code": bidi, "failure_message": f"It said: {bidi}"}
    Job.objects.filter(pk=job.pk).update(**told)
    job.attempts.update(**told, response_id=bidi, provider_status=bidi)
    RawResponse.objects.filter(attempt__job=job).update(body=f"raw {bidi}")
    Pause.objects.create(scope="starts", note=bidi, began_at=timezone.now())

    html = boss_page.get(path_to("jobs_job_change", job.pk)).content.decode()
    assert "\u202e" not in html
    assert "\u200b" not in html
    shown = html.count('title="U+202E RIGHT-TO-LEFT OVERRIDE"')
    assert shown == 8  # banner, sentence, name, value, raw body, id, code, message


def test_the_actions_of_the_list_cancel_and_name_what_they_cannot(
    boss: User, boss_page: Client, note: JobType
) -> None:
    done, open_job = submit(boss, title="Done"), submit(boss, title="Open")
    done.move("cancelled")
    response = boss_page.post(
        path_to("jobs_job_changelist"),
        {"action": "cancel_selected", "_selected_action": [done.pk, open_job.pk]},
        follow=True,
    )
    open_job.refresh_from_db()
    assert open_job.status == "cancelled"
    html = response.content.decode()
    assert "1 job was cancelled." in html
    assert "Done:" in html


def test_an_answer_that_a_page_did_not_show_is_not_cancelled_from_it(
    note: JobType, boss: User, boss_page: Client, shop: User, courier: Courier
) -> None:
    job, page = submit(shop, title="Letter"), boss_page
    places = {
        path_to("index"): path_to("jobs_job_act", job.pk, "cancel"),
        path_to("jobs_job_change", job.pk): path_to("jobs_job_act", job.pk, "cancel"),
        path_to("jobs_job_changelist"): path_to("jobs_job_changelist"),
    }
    chosen = {"action": "cancel_selected", "_selected_action": [job.pk]}
    forms = {place: carried(page, place) | chosen for place in places}
    bring_to("awaiting_review", job, courier)
    for place, form in forms.items():
        html = page.post(places[place], form, follow=True).content.decode()
        assert "It has an answer by now, so it was not cancelled: Waits for" in html
        assert Job.objects.get(pk=job.pk).status == "awaiting_review"

    form = carried(page, path_to("jobs_job_changelist")) | chosen
    set_legal_hold(job, by=boss, on=True)  # one more change, and none to its status
    stale = page.post(path_to("jobs_job_changelist"), form, follow=True)
    assert "It has moved on, so it was not cancelled" in stale.content.decode()
    page.post(
        path_to("jobs_job_changelist"),
        carried(page, path_to("jobs_job_changelist")) | chosen,
    )
    assert Job.objects.get(pk=job.pk).status == "cancelled"


def test_a_job_that_began_meanwhile_is_cancelled_all_the_same(
    note: JobType, olivia: User, shop: User, courier: Courier
) -> None:
    job, page = submit(shop, "Hi. [sandbox:slow]"), browser(olivia)
    form = carried(page, path_to("jobs_job_change", job.pk))
    bring_to("running", job, courier)
    page.post(path_to("jobs_job_act", job.pk, "cancel"), form)
    assert Job.objects.get(pk=job.pk).status == "cancelled"


def carried(page: Client, path: str) -> dict[str, Any]:
    """What the forms of a page carry of what it showed."""
    html = page.get(path).content.decode()
    found = re.findall(r'name="(shown[^"]*)" value="([^"]*)"', html)
    assert found
    return dict(found)


# ---- rights ------------------------------------------------------------------------
def test_a_person_without_rights_sees_no_jobs(note: JobType, boss: User) -> None:
    job = submit(boss)
    page = browser(person("eve"))
    assert page.get(path_to("jobs_job_changelist")).status_code == 403
    assert page.get(path_to("jobs_job_change", job.pk)).status_code == 403
    assert page.get(path_to("jobs_job_submit")).status_code == 403
    refused = page.get(path_to("reviews_review_changelist"))
    assert refused.status_code == 403
    assert b'rel="icon"' in refused.content  # else browsers ask for one that is not


def test_a_job_of_someone_else_is_not_there(note: JobType, boss: User) -> None:
    job = submit(boss, title="Secret")
    mallory = person("mallory")
    mallory.user_permissions.add(Permission.objects.get(codename="submit_job"))
    page = browser(mallory)
    assert page.get(path_to("jobs_job_change", job.pk)).status_code == 404
    assert b"Secret" not in page.get(path_to("jobs_job_changelist")).content


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5_000, "x", "-1", "٣"])
def test_a_number_that_no_row_has_is_not_there(boss_page: Client, number: str) -> None:
    pages = [
        "jobs_job",
        "jobs_thread",
        "jobs_toolcall",
        "reviews_review",
        "reviews_delivery",
    ]
    for name in pages:
        answer = boss_page.get(path_to(f"{name}_change", number))
        assert answer.status_code == 404


def test_without_the_right_there_is_no_button_and_a_post_is_refused(
    note: JobType, boss: User
) -> None:
    job = submit(boss)
    ada = person("ada")
    rights = ["view_job", "view_all_jobs"]
    ada.user_permissions.set(Permission.objects.filter(codename__in=rights))
    page = browser(ada)
    html = page.get(path_to("jobs_job_change", job.pk)).content.decode()
    assert "Cancel job" not in html
    assert page.post(path_to("jobs_job_act", job.pk, "cancel")).status_code == 403
    job.refresh_from_db()
    assert job.status == "queued"


def test_a_verb_by_get_does_nothing(
    note: JobType, boss: User, boss_page: Client
) -> None:
    job = submit(boss)
    assert boss_page.get(path_to("jobs_job_act", job.pk, "cancel")).status_code == 404
    job.refresh_from_db()
    assert job.status == "queued"


def test_operators_cancel_and_retry_from_the_job_page(
    note: JobType, olivia: User, shop: User
) -> None:
    job = submit(shop)
    page = browser(olivia)
    page.post(path_to("jobs_job_act", job.pk, "cancel"), {"note": " Asked twice. "})
    job.refresh_from_db()
    assert job.events.get(became="cancelled").note == "Asked twice."
    assert job.status == "cancelled"
    assert b"Retry" in page.get(path_to("jobs_job_change", job.pk)).content
    page.post(path_to("jobs_job_act", job.pk, "retry"))
    job.refresh_from_db()
    assert job.status == "queued"


def test_the_live_part_of_a_job_page_learns_when_all_of_it_is_stale(
    note: JobType, boss: User, boss_page: Client
) -> None:
    path = path_to("jobs_job_change", submit(boss).pk)
    same = boss_page.get(path + "?was=queued", headers={"HX-Request": "true"})
    moved = boss_page.get(path + "?was=running", headers={"HX-Request": "true"})
    assert "HX-Refresh" not in same.headers
    assert moved.headers["HX-Refresh"] == "true"


def test_the_menu_shows_only_what_a_person_may_open(
    olivia: User, ann: User, note: JobType
) -> None:
    operator = browser(olivia).get(path_to("index")).content.decode()
    reviewer = browser(ann).get(path_to("index")).content.decode()
    assert "Submit a job" in operator
    assert "Task queue" not in operator
    assert "Review queue" in reviewer
    assert "Submit a job" not in reviewer


def test_history_is_not_edited_here(boss: User, boss_page: Client) -> None:
    assert boss_page.get("/admin/jobs/jobevent/add/").status_code == 403
    assert boss_page.get("/admin/jobs/sweep/add/").status_code == 403
    Sweep.objects.create(
        lane="provider",
        host="h",
        pid=1,
        started_at=timezone.now(),
        beat_at=timezone.now(),
    )
    assert boss_page.post("/admin/jobs/sweep/1/delete/").status_code in (302, 403)
    assert Sweep.objects.exists()


def test_a_new_version_begins_with_the_last_and_never_changes_it(
    note: JobType, boss_page: Client
) -> None:
    path = path_to("jobs_jobtype_version", note.pk)
    form = boss_page.get(path).context["form"]
    given = {name: form[name].value() for name in form.fields}
    given = {name: value for name, value in given.items() if value not in (None, False)}
    response = boss_page.post(path, given | {"model": "gpt-next"})
    assert response.status_code == 302, response.context["form"].errors
    assert [v.model for v in note.versions.order_by("number")] == [
        "gpt-5.2",
        "gpt-next",
    ]


def test_forms_bear_the_name_of_their_thing_and_ask_in_our_way(
    note: JobType, boss: User, boss_page: Client
) -> None:
    desk = webhook("http://127.0.0.1:9/", note)
    paths = {
        path_to("reviews_destination_change", desk.pk): str(desk),
        path_to("reviews_destination_add"): "New destination",
        path_to("jobs_jobtype_change", note.pk): str(note),
        path_to("auth_user_change", boss.pk): "boss",
        path_to("auth_group_add"): "New group",
    }
    for path, name in paths.items():
        html = boss_page.get(path).content.decode()
        assert f"<h1>{name}</h1>" in html
        assert not re.findall(r"<label[^>]*>[^<]*:</label>", html)
        assert "add-related" not in html
        assert_strict(boss_page.get(path))
    html = boss_page.get(path_to("jobs_jobtype_version", note.pk)).content.decode()
    assert re.search(r'name="moderation"[^>]*>\s*</textarea>', html)


def test_deleting_asks_once_and_leads_back(boss: User, boss_page: Client) -> None:
    ada, bea = person("ada"), person("bea")
    path = path_to("auth_user_delete", ada.pk)
    users = path_to("auth_user_changelist")
    chosen = {"action": "delete_selected", "_selected_action": [bea.pk]}
    for asked in (boss_page.get(path), boss_page.post(users, chosen)):
        html = asked.content.decode()
        assert_strict(asked)
        assert "Home" not in html
        assert '<button class="button primary">Delete</button>' in html
    boss_page.post(path, {"post": "yes"})
    boss_page.post(users, chosen | {"post": "yes"})
    assert [user.username for user in User.objects.all()] == ["boss"]


def test_a_bad_schema_is_not_stored(note: JobType, boss_page: Client) -> None:
    path = path_to("jobs_jobtype_version", note.pk)
    response = boss_page.post(
        path, {"model": "m", "prompt_template": "p", "input_schema": '{"type": "cow"}'}
    )
    assert response.status_code == 422
    assert "This is not a JSON schema" in response.content.decode()
    assert note.versions.count() == 1


def test_a_new_webhook_shows_its_secret_once(boss_page: Client, db: None) -> None:
    given = {"name": "Desk", "kind": "webhook", "is_active": "on"}
    answer = boss_page.post(path_to("reviews_destination_add"), given)
    made = Destination.objects.get()
    assert made.secret.startswith("whsec_")
    assert made.secret in answer.content.decode()
    assert "no-store" in answer["Cache-Control"]
    assert path_to("reviews_destination_version", made.pk) in answer.content.decode()
    path = path_to("reviews_destination_change", made.pk)
    again = boss_page.get(path)
    assert again.status_code == 200
    assert made.secret not in again.content.decode()


def test_headers_of_a_destination_are_shown_by_name_only(
    boss_page: Client, note: JobType
) -> None:
    made = webhook("https://desk.example/", note)
    version = {"address": "https://desk.example/2", "headers": '{"X-Key": "hush"}'}
    path = path_to("reviews_destination_version", made.pk)
    assert boss_page.post(path, version).status_code == 302
    html = boss_page.get(path_to("reviews_destination_change", made.pk)).content
    assert b"X-Key" in html
    assert b"hush" not in html


def test_submitting_needs_a_type_that_exists(boss_page: Client) -> None:
    assert boss_page.get(path_to("jobs_job_submit_type", "none")).status_code == 404


def test_the_front_page_lists_what_is_on_its_way_and_cancels_it(
    note, shop, olivia, ann, client
):
    job = submit(shop, title="Quarterly letter")
    client.force_login(ann)
    assert "/do/cancel/" not in client.get("/admin/").content.decode()

    client.force_login(olivia)
    page = client.get("/admin/").content.decode()
    url = f"/admin/jobs/job/{job.pk}/do/cancel/"
    assert "Quarterly letter" in page
    assert f'action="{url}"' in page
    client.post(url)
    job.refresh_from_db()
    assert job.status == "cancelled"
    assert url not in client.get("/admin/").content.decode()
