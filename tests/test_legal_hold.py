"""Legal hold: what must not be deleted, whatever its type says."""

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from jobs.lifecycle import MoveRefused
from jobs.models import Job
from jobs.services.hold import set_legal_hold
from jobs.services.verify import broken_links
from tests.erasing import cancelled, erased, later


def test_a_job_on_legal_hold_is_kept_until_it_is_released(kept, shop, mona):
    job = cancelled(shop)
    set_legal_hold(job, by=mona, on=True, note="Case 7.")

    cleaned = later()
    assert not erased(job)
    assert cleaned.kept == {kept: {"legal hold": 1}}

    set_legal_hold(job, by=mona, on=False)
    later()
    assert erased(job)


def test_a_hold_is_a_line_in_the_history(kept, shop, mona):
    job = cancelled(shop)
    set_legal_hold(job, by=mona, on=True, note="Case 7.")
    set_legal_hold(job, by=mona, on=False)

    held, released = list(job.events.all())[-2:]

    assert (held.kind, held.actor, held.note) == ("held", "mona", "Case 7.")
    assert (released.kind, released.actor) == ("released", "mona")
    assert broken_links(Job.objects.get()) == []


def test_only_who_has_the_right_holds_a_job(kept, shop, ann, olivia):
    job = cancelled(shop)

    for anybody in (shop, ann, olivia):
        with pytest.raises(PermissionDenied, match=r"jobs\.hold_job"):
            set_legal_hold(job, by=anybody, on=True)

    assert not Job.objects.get().legal_hold


def test_what_is_so_already_is_refused(kept, shop, mona):
    job = cancelled(shop)
    with pytest.raises(MoveRefused, match="not on legal hold"):
        set_legal_hold(job, by=mona, on=False)
    set_legal_hold(job, by=mona, on=True)
    with pytest.raises(MoveRefused, match="already on legal hold"):
        set_legal_hold(job, by=mona, on=True)
    set_legal_hold(job, by=mona, on=False)

    later()

    with pytest.raises(MoveRefused, match="was deleted"):
        set_legal_hold(job, by=mona, on=True)


def test_a_manager_holds_and_releases_a_job_on_its_page(kept, shop, mona):
    job = cancelled(shop)
    page = f"/admin/jobs/job/{job.pk}/"
    client = Client()
    client.force_login(mona)
    assert "do/hold/" in client.get(f"{page}change/").content.decode()

    client.post(f"{page}do/hold/")
    shown = client.get(f"{page}change/").content.decode()
    assert Job.objects.get().legal_hold
    assert "do/release/" in shown
    assert "Legal hold</span>" in shown

    client.post(f"{page}do/release/")
    assert not Job.objects.get().legal_hold


def test_others_are_offered_no_hold(kept, shop, olivia):
    job = cancelled(shop)
    page = f"/admin/jobs/job/{job.pk}/"
    client = Client()
    client.force_login(olivia)

    assert "do/hold/" not in client.get(f"{page}change/").content.decode()
    assert client.post(f"{page}do/hold/").status_code == 403
