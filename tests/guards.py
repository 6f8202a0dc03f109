"""The guards of decisions, deliveries and threads, each with tests that must miss it.

`tests/mutants.py` takes them away, one at a time.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """In `file`, what stands once as `guard` becomes `gone`; `tests` must notice."""

    file: str
    guard: str
    gone: str
    tests: str
    db: str = "sqlite"

    @property
    def name(self) -> str:
        return f"{self.file}: {' '.join(self.guard.split())[:70]}"


SERVICES = "reviews/services"
DECIDING = "deciding decide approvals"
MUTANTS = [
    Mutant(f"{SERVICES}/{file}.py", *how)
    for file, *how in [
        # ---- who may ----------------------------------------------------------------
        ("who_may", "not person.has_perm(RIGHT)", "False", "decide"),
        ("who_may", "if is_service_account(person):", "if False:", "api_reviews"),
        ("who_may", "if terms.group and not", "if False and not", DECIDING),
        ("who_may", "if terms.four_eyes and job.requester_id", "if False and "
         "job.requester_id", DECIDING),
        ("who_may", "in who_had_a_say(job)", "in ()", "retry"),
        ("who_may", "if review.terms.edit_needs_second and", "if False and", DECIDING),
        ("who_may", 'return person.has_perm("jobs.view_unapproved")', "return True",
         "review_page"),
        # ---- what was seen ----------------------------------------------------------
        ("seen", "if why := why_not_decide(review, by):", "if why := '':", DECIDING),
        ("seen", "if review.closed_at is not None:", "if False:", DECIDING),
        ("seen", "    require_unclaimed(review, by, timezone.now())\n", "", "claims"),
        ("seen", "if shown.digest != seen:", "if False:", DECIDING),
        ("seen", "[content_hash, shown, review.pk, review.revision]",
         "[shown, review.pk, review.revision]", DECIDING),
        ("seen", "[content_hash, shown, review.pk, review.revision]",
         "[content_hash, review.pk, review.revision]", DECIDING),
        ("seen", "[content_hash, shown, review.pk, review.revision]",
         "[content_hash, shown, review.revision]", DECIDING),
        ("seen", "[content_hash, shown, review.pk, review.revision]",
         "[content_hash, shown, review.pk]", "decide checks"),
        ("seen", "(job,) = lock(Job.objects.filter(pk=review.job_id)"
         '.select_related("version"))',
         'job = Job.objects.select_related("version").get(pk=review.job_id)',
         "approvals", "postgres"),
        ("seen", 'revision=F("revision") + 1', 'revision=F("revision")', "checks"),
        # ---- deciding ---------------------------------------------------------------
        ("decide", "    require_first(review, by, shown)\n    if why",
         "    if why", "approvals api_reviews"),
        ("decide", "if why := why_not_approve(review, by):", "if why := '':", DECIDING),
        ("decide", "    require_ready(review)\n", "", "checks deciding"),
        ("decide", "if tally.missing > 1:", "if False:", "approvals"),
        ("decide", "if tally.missing > 1:", "if tally.missing > 2:", "approvals"),
        ("decide", "    require_first(review, by, shown)\n    decision",
         "    decision", "approvals"),
        ("decide", "if not comment.strip():", "if False:", "decide"),
        ("decide", "claimed_by=None, claimed_until=None", "claimed_until=F('due_at')",
         "claims"),
        ("decide", "    require_whole(comment)\n", "", "delivery_pages"),
        ("decide", "approved_hash=decision.content_hash,",
         'approved_hash="0" * 64,', "decide gate"),
        # ---- one delivery anew ------------------------------------------------------
        ("approve_delivery", "if why := why_not_approve_anew(delivery, by):",
         "if why := '':", "approve_delivery"),
        ("approve_delivery", "if shown.digest != seen:", "if False:",
         "approve_delivery"),
        ("approve_delivery", "if why := why_not_approve_again(tally, by):",
         "if why := '':", "approve_delivery"),
        ("approve_delivery", "if tally.missing > 1:", "if False:", "approve_delivery"),
        ("approve_delivery", "delivery.decided_anew.approving",
         "Decision.objects.approving", "approve_delivery"),
        ("approve_delivery", " or why_not_approve(review, person)", "",
         "approve_delivery"),
        ("requests", 'draft.shown.get("url", "")',
         "url_for(draft.version, result.job)", "callbacks"),
        # ---- editing, and asking for changes ----------------------------------------
        ("edit", "review, _ = as_seen(review, by, base_seen)", "pass", "edit"),
        ("edit", "if errors := check_content(base, content):", "if errors := {}:",
         "edit"),
        ("edit", "    renew_checks(review, now)\n", "", "edit"),
        ("edit", "    outdate_pages(review)\n", "", "edit"),
        ("request_changes", "    require_first(review, by, shown)\n", "",
         "approvals"),
        ("request_changes", "if why := why_no_more_rounds(review):", "if why := '':",
         "request_changes"),
        ("request_changes", " or change.decision != last_request(review)", "",
         "request_changes"),
        ("request_changes", "if why := why_not_decide(review, by):", "if why := '':",
         "request_changes"),
        ("request_changes", "    require_unclaimed(review, by, now)\n", "",
         "request_changes"),
        # ---- what the model asks for ------------------------------------------------
        ("answer_call", "if why := why_not_answer(job, by):", "if why := '':",
         "answer_call"),
        ("answer_call", "if job.status != Job.Status.REQUIRES_ACTION:", "if False:",
         "answer_call"),
        ("answer_call", "if not person.has_perm(RIGHT):", "if False:", "answer_call"),
        ("answer_call", "if is_service_account(person):", "if False:", "answer_call"),
        ("answer_call", "return why_not_by(terms_of(job), job, person)", 'return ""',
         "answer_call"),
        ("answer_call", "attempt=waiting_attempt(job), ", "attempt__job=job, ",
         "answer_call"),
        ("answer_call", "if not call.is_open:", "if False:", "answer_call"),
        ("answer_call", " == said.seen", "", "answer_call"),
        ("answer_call", "if said.verdict not in fitting:", "if False:", "answer_call"),
        # ---- what is ready ----------------------------------------------------------
        ("ready", "if missing := what_is_missing(review):", "if missing := []:",
         "checks"),
        ("ready", "review.checks.exclude(passed=True)",
         "review.checks.filter(passed=None)", "checks"),
        ("ready", "review.checks.exclude(passed=True)",
         "review.checks.filter(passed=False)", "checks"),
        ("ready", "if not found[pk]]", "if False]", "checks"),
        ("ready", "if no in found[pk]]", "if False]", "checks"),
        ("ready", "if not review.terms.checks_citations:", "if True:", "checks"),
        ("checks", "review, _ = as_seen(check.review, by, seen)",
         "review = check.review", "checks"),
        ("checks", '.exclude(kind="rule")', "", "checks"),
        ("checks", "if not passed and not why.strip():", "if False:", "checks"),
        ("checks", "for flag in review.result.flags:", "for flag in ():", "checks"),
        ("checks", "    outdate_pages(review)\n", "", "checks"),
        ("checks", "if len(why.strip()) > LONGEST_WHY:", "if False:", "checks"),
        ("checks", "while check.name in named:", "while False:", "checks"),
        ("checks", "passed=found.passed,", "passed=True,", "checks"),
        ("verdicts", "review, _ = as_seen(review, by, seen)", "pass", "checks"),
        ("verdicts", "if citation.result_id != review.result_id:", "if False:",
         "checks"),
        ("verdicts", "    outdate_pages(review)\n", "", "checks"),
        ("opening", "    make_checks(review, now)\n", "", "checks"),
        # ---- claims -----------------------------------------------------------------
        ("claim", "    require(by, RIGHT)\n    (job,)", "    (job,)", "claims"),
        ("claim", "    require(by, RIGHT)\n    rows", "    rows", "claims"),
        ("claim", "if why := why_not_decide(review, by):", "if why := '':", "claims"),
        ("claim", "if review.closed_at is not None:", "if False:", "claims"),
        ("claim", "if not take_over:", "if False:", "claims"),
        ("claim", "(job,) = lock(Job.objects.filter(pk=review.job_id))",
         "job = Job.objects.get(pk=review.job_id)", "claims", "postgres"),
        ("claim", "        _note_take_over(review, holder, by, now)\n", "", "claims"),
        ("claim", "pk=review.pk, claimed_by=by)", "pk=review.pk)", "claims"),
        ("claim", "if review.claimed_by == by:", "if True:", "claims"),
        # ---- several at once --------------------------------------------------------
        ("bulk", "if why := why_not_bulk(review):", "if why := '':", "queue"),
        ("bulk", "        or why_not_read(review, person)\n", "", "queue"),
        ("bulk", "if not review.terms.allows_bulk:", "if False:", "queue"),
        ("bulk", "if review.result.flags:", "if False:", "queue"),
        # ---- the last question before anything leaves -------------------------------
        ("gate", "if decision.verdict != Decision.Verdict.APPROVE:", "if False:",
         "gate"),
        ("gate", "if job.status != Job.Status.APPROVED:", "if False:", "gate"),
        ("gate", "if not decision.content_hash == job.approved_hash == "
         "delivery.result.content_hash:", "if False:", "gate"),
        ("gate", "found != delivery.request_hash or ", "", "gate"),
        ("gate", " or found not in decision.request_hashes", "", "gate"),
        ("gate", "if not destination.is_active:", "if False:", "gate recall"),
        ("gate", "if destination.current != delivery.destination_version:",
         "if False:", "gate decide"),
        ("gate", "if not destination.job_types.filter(", "if False and not "
         "destination.job_types.filter(", "gate decide"),
        ("sending", "_take(_refuse(_locked(due, room)), now)",
         "_take(_locked(due, room), now)", "gate"),
        ("resend", "if why := why_not(delivery):", "if why := '':", "ways_on"),
        ("recall", "(why := why_not_recall(job))", "(why := '')", "recall"),
        # ---- ways on of a delivery --------------------------------------------------
        ("approve_delivery", "if job.erased_at is not None:", "if False:", "cleanup"),
        ("approve_delivery", "if delivery.status not in REPLACEABLE:", "if False:",
         "approve_delivery"),
        ("approve_delivery", "if job.status != Job.Status.APPROVED:", "if False:",
         "approve_delivery"),
        ("approve_delivery", "if delivery.result.content_hash != job.approved_hash:",
         "if False:", "approve_delivery"),
        ("approve_delivery", "if _has_successor(delivery):", "if False:",
         "approve_delivery"),
        ("approve_delivery", "if not destination.is_active:", "if False:",
         "approve_delivery"),
        ("approve_delivery", "if not destination.job_types.filter(",
         "if False and not destination.job_types.filter(", "approve_delivery"),
        ("resend", "    require(by, RIGHT)\n", "", "ways_on"),
        ("resend", "if delivery.status not in (Status.FAILED, Status.UNCERTAIN):",
         "if False:", "ways_on"),
        ("withdraw", "    require(by, RIGHT)\n    if not reason", "    if not reason",
         "ways_on"),
        ("withdraw", "if not reason.strip():", "if False:", "ways_on"),
        ("withdraw", "    require(by, RIGHT)\n    job", "    job", "ways_on"),
        ("recall", "        require(by, RIGHTS[0])\n", "        pass\n", "recall"),
        ("reopen", "        require(by, RIGHTS[0])\n", "        pass\n", "reminders"),
        ("plan", "leaves_at += undo_window(decision.review)", "pass", "undo"),
        ("plan", "if decision.delivery_id is None:", "if True:", "undo"),
        ("sending", "if delivery.status != Status.SENDING or delivery.tries != "
         "parcel.attempt.number:", "if False:", "delivery_retries"),
        ("rest", "if Pause.DELIVERIES in paused or destination.pause_scope in paused:",
         "if False:", "delivery_pages callbacks"),
        ("holding", '    require(by, "jobs.add_pause")\n', "", "delivery_pages"),
        ("holding", '    require(by, "jobs.change_pause")\n', "", "delivery_pages"),
        ("probe", "    require(by, RIGHT)\n", "", "probe"),
        ("rotate", "    require(by, RIGHT)\n", "", "secrets"),
        # ---- status events ----------------------------------------------------------
        ("callbacks", "if _nearest(url, takers) is None:", "if False:", "callbacks"),
        ("callbacks", "is_active=True, takes_callbacks=True", "is_active=True",
         "callbacks"),
        ("callbacks", "is_active=True, takes_callbacks=True", "takes_callbacks=True",
         "callbacks"),
        ("callbacks", "asked and destination_for(asked) == version.destination",
         "asked", "callbacks"),
        ("calling", "if why := _why_not(callback):", "if why := '':", "callbacks"),
    ]
] + [
    Mutant(f"reviews/delivery/{file}.py", *how)
    for file, *how in [
        # ---- where we may connect ---------------------------------------------------
        ("guard", "if any(character <= \" \" or character == \"\\\\\" for character in "
         "url):", "if False:", "guard"),
        ("guard", "if split.username is not None or split.password is not None:",
         "if False:", "guard"),
        ("guard", "if not url.isascii():", "if False:", "guard"),
        ("guard", 'if split.scheme != "https" and not (split.scheme == "http" and '
         "_may_use_http()):", "if False:", "guard"),
        ("guard", ').is_loopback:', ').is_loopback and False:', "guard"),
        ("guard", "elif not _is_public(_unwrapped(address)):", "elif False:", "guard"),
        ("guard", "if address in NAT64:", "if False:", "guard"),
        ("guard", "address.ipv4_mapped or address.sixtofour or address",
         "address.ipv4_mapped or address", "guard"),
        ("guard", "return address.is_global and not special",
         "return address.is_global", "guard"),
        ("guard", "for address in addresses:", "for address in addresses[:1]:",
         "guard"),
        ("guard", "addresses[0], port", "host, port", "guard"),
        ("deadline", "if left <= 0:", "if False:", "guard"),
        ("webhook", "network_backend=GuardedBackend(until),", "", "guard"),
        ("headers", "if name.lower() not in RESERVED", "", "guard outbox"),
        ("prefix", 'if "#" in url:', "if False:", "callbacks"),
        ("prefix", "if not PLAIN.fullmatch(path):", "if False:", "callbacks"),
        ("prefix", 'if "" in inner or {".", ".."} & {*inner, last}:', "if False:",
         "callbacks"),
        ("prefix", " and _origin(inner) == _origin(outer)", "", "callbacks"),
        ("prefix", "    return below and", "    return", "callbacks"),
        ("email", "if _would_leave_the_machine() and settings.PROVIDER == "
         '"sandbox":', "if False:", "mail"),
    ]
] + [
    Mutant("jobs/kit/rights.py", "person.is_staff and ", "", "api_reviews"),
    Mutant("jobs/kit/rights.py", " and person.has_usable_password()", "",
           "api_reviews deciding"),
    Mutant("jobs/services/retry.py", "if INPUT in event.data", "if False", "retry"),
    Mutant("jobs/services/retry.py", "if CONTINUES in event.data", "if False", "retry"),
    Mutant("reviews/policy/terms.py", "if name.lower().split()[0] in RESERVED:",
           "if name.lower() in RESERVED:", "checks"),
    Mutant("reviews/policy/terms.py", "timedelta(hours=min(hours, MOST_HOURS))",
           "timedelta(hours=hours)", "decide"),
    Mutant("reviews/policy/terms.py", "min(self.undo_seconds, MOST_UNDO_SECONDS)",
           "self.undo_seconds", "decide"),
    Mutant("reviews/services/edit.py", "    require_whole(comment)\n", "", "edit"),
    Mutant("reviews/api/review_shapes.py", "why_not_read(review, self._person)\n"
           "            or ", "", "api_reviews"),
    Mutant("jobs/kit/numbers.py", " and len(text) <= MOST_DIGITS", "", "secrets"),
    Mutant("reviews/admin/edit_page.py", "why_not_read(review, person) or ", "",
           "edit"),
    Mutant("reviews/admin/calls_page.py",
           "attempt__job__in=Job.objects.visible_to(request.user)", "", "answer_call"),
    Mutant("reviews/admin/delivery_page.py",
           "may_read_result(delivery.job, delivery.result, person)", "True",
           "delivery_pages"),
    Mutant("reviews/admin/destination.py", "check_literal(parts_of(address))",
           "parts_of(address)", "handlers"),
    Mutant("reviews/services/approvals.py", "if counts(review)]", "]", "queue"),
    Mutant("reviews/explain.py", "return waits and delivery.wake_at == leaves_at("
           "delivery.job, now)", "return waits", "undo"),
    Mutant("reviews/models/decision.py", "content_hash=content_hash, drafts_hash=",
           "drafts_hash=", "approvals"),
    Mutant("reviews/models/decision.py", ", drafts_hash=drafts_hash", "", "approvals"),
    Mutant("reviews/admin/bulk.py", "views.visible_reviews(request).filter(pk__in",
           "Review.objects.filter(pk__in", "queue"),
    Mutant("reviews/models/review.py", "lives = self.claimed_until is not None and "
           "self.claimed_until > now", "lives = self.claimed_until is not None",
           "claims"),
    # ---- whose turn it is in a thread ----------------------------------------------
    Mutant("jobs/models/job.py", "active_job=None) & ~Exists(ahead)",
           "active_job=None)", "threads"),
    Mutant("jobs/services/turns.py", "exclude(holds | Q(Exists(at_work)))",
           "exclude(holds)", "threads"),
    Mutant("jobs/services/turns.py",
           " or thread.active_job_id not in (None, job.pk)", "", "threads"),
    Mutant("jobs/services/joining.py",
           "    (thread,) = lock(Thread.objects.filter(pk=thread.pk))\n", "", "threads",
           "postgres"),
    Mutant("jobs/services/failures.py",
           "        attempt.tries -= 1  # and so does a wait\n", "", "threads"),
    # ---- what leaves a conversation, and what is copied first ----------------------
    Mutant("jobs/services/turns.py", "if not forgets and not (job.status != "
           "Status.REJECTED and asked.exists()):", "if not forgets:", "thread_context"),
    Mutant("jobs/services/thread_steps.py",
           "    if keeps and (errand := _copy(thread, now)):\n        return errand\n",
           "", "thread_steps"),
    Mutant("jobs/services/thread_steps.py",
           "        _give_up(asked, now)  # known by its row, and listed\n",
           "        pass\n", "thread_steps"),
    Mutant("jobs/services/closing.py",
           "        if thread.jobs.filter(legal_hold=True).exists():\n"
           "            return False\n", "", "thread_steps"),
    Mutant("jobs/services/copies.py", " & ~Q(conversation__in=held)", "",
           "thread_context"),
    Mutant("jobs/services/copies.py",
           "    if attempts.exclude(job__erased_at=None).exists():", "    if False:",
           "thread_context"),
]  # fmt: skip
