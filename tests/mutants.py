"""Takes one guard at a time out of the way of decisions and deliveries.

    make mutants
    python -m tests.mutants --only decide --jobs 2

Each mutant lives in a copy of the tree, in which the tests named beside it run, on
SQLite unless only PostgreSQL can tell. One that survives is a guard that no test would
miss: that is a failure.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

ROOT = Path(__file__).parent.parent
KILLED, SURVIVED = 1, 0  # how pytest ends: some tests failed, or none did


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
        ("who_may", "person.is_staff and ", "", "api_reviews"),
        ("who_may", " and person.has_usable_password()", "", "api_reviews deciding"),
        ("who_may", "if terms.group and not", "if False and not", DECIDING),
        ("who_may", "if terms.four_eyes and", "if False and", DECIDING),
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
        ("decide", "approved_hash=decision.content_hash,",
         'approved_hash="0" * 64,', "decide gate"),
        # ---- one delivery anew ------------------------------------------------------
        ("approve_delivery", "if why := why_not_approve_anew(delivery, by):",
         "if why := '':", "recall"),
        ("approve_delivery", "if shown.digest != seen:", "if False:", "recall"),
        ("approve_delivery", "if why := why_not_approve_again(tally, by):",
         "if why := '':", "recall"),
        ("approve_delivery", "if tally.missing > 1:", "if False:", "recall"),
        ("approve_delivery", "delivery.decided_anew.approving",
         "Decision.objects.approving", "recall"),
        ("approve_delivery", " or why_not_approve(review, person)", "", "recall"),
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
        ("claim", "        _note_take_over(review, holder, by, now)\n", "", "claims"),
        ("claim", "pk=review.pk, claimed_by=by)", "pk=review.pk)", "claims"),
        ("claim", "if review.claimed_by == by:", "if True:", "claims"),
        # ---- several at once --------------------------------------------------------
        ("bulk", "if why := why_not_bulk(review):", "if why := '':", "queue"),
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
    ]
] + [
    Mutant("reviews/models/decision.py", "content_hash=content_hash, drafts_hash=",
           "drafts_hash=", "approvals"),
    Mutant("reviews/models/decision.py", ", drafts_hash=drafts_hash", "", "approvals"),
    Mutant("reviews/admin/bulk.py", "views.visible_reviews(request).filter(pk__in",
           "Review.objects.filter(pk__in", "queue"),
    Mutant("reviews/models/review.py", "lives = self.claimed_until is not None and "
           "self.claimed_until > now", "lives = self.claimed_until is not None",
           "claims"),
]  # fmt: skip


def problems_of_the_table() -> list[str]:
    """Guards that no longer stand where the table says, once."""
    return [
        f"{mutant.name}: stands there {count} times"
        for mutant in MUTANTS
        if (count := (ROOT / mutant.file).read_text().count(mutant.guard)) != 1
    ]


def copy_tree(to: Path) -> None:
    """Every file that git knows or would take, and the packages by a link."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    for name in filter(None, names.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def try_out(mutant: Mutant, tree: Path) -> int:
    """How its tests end in this copy of the tree, which is then as before."""
    path = tree / mutant.file
    whole = path.read_text()
    path.write_text(whole.replace(mutant.guard, mutant.gone))
    files = [f"tests/test_{name}.py" for name in mutant.tests.split()]
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        f"--db={mutant.db}",
        *files,
    ]
    try:
        return subprocess.run(
            command, cwd=tree, env=os.environ, capture_output=True, check=False
        ).returncode
    finally:
        path.write_text(whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", nargs="*", default=[""], help="those with one of these in their name"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    if problems := problems_of_the_table():
        print(*problems, sep="\n")
        return 1
    chosen = [m for m in MUTANTS if any(part in m.name for part in asked.only)]
    with tempfile.TemporaryDirectory() as folder:
        trees: Queue[Path] = Queue()
        for number in range(asked.jobs):
            trees.put(Path(folder) / str(number))
            copy_tree(Path(folder) / str(number))

        def run(mutant: Mutant) -> int:
            tree = trees.get()
            try:
                return try_out(mutant, tree)
            finally:
                trees.put(tree)

        survivors = 0
        with ThreadPoolExecutor(asked.jobs) as threads:
            for mutant, end in zip(chosen, threads.map(run, chosen), strict=True):
                said = {KILLED: "killed", SURVIVED: "SURVIVED"}.get(
                    end, f"broke: {end}"
                )
                survivors += end != KILLED
                print(f"{said:10} {mutant.name}", flush=True)
    print(f"{len(chosen)} mutants, {survivors} not killed")
    return 1 if survivors or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
