"""Periodic jobs of the platform itself.  An app's own jobs stand in its ``tasks.py``; Procrastinate finds them there.

A job runs in one worker at a time however many workers there are, and one that a killed worker left is run again.
"""

from datetime import timedelta
from typing import Any

import structlog
from django.core.management import call_command
from django.utils import timezone
from procrastinate.contrib.django import app

from fengsui.govern.retention import media as media_policy
from fengsui.loops import evidence
from fengsui.run import lessons
from fengsui.sense.media import store as media_store
from fengsui.show.reports import services as reports
from fengsui.stores import outbox
from fengsui.warn.alarms import packed
from fengsui.warn.commitments import services as commitments
from fengsui.warn.fences import services as fences
from fengsui.warn.naturals import judging, taking
from fengsui.warn.risks import series
from fengsui.warn.risks import services as risks
from fengsui.warn.warnings import pulling

log = structlog.get_logger()

KEEP_JOBS_H = 72
ORPHAN_AFTER = timedelta(days=1)

_registered = False


def register() -> None:
    """Give Procrastinate the periodic jobs below.  Safe to call twice; only the worker calls it."""
    global _registered
    if _registered:
        return
    _registered = True
    app.task(name=lessons.TASK, lock=lessons.TASK)(lessons.learn)
    for name, (cron, deed) in PERIODIC.items():
        task = app.task(name=f"fengsui.{name}", queueing_lock=name, lock=name)(deed)
        app.periodic(cron=cron, periodic_id=name)(task)


def purge_outbox(timestamp: int) -> None:
    """Delete events handled long ago."""
    if count := outbox.purge(timezone.now()):
        log.info("outbox.purged", events=count)


def sweep_evidence(timestamp: int) -> None:
    """Delete files that no row speaks of: left by a crash between writing the file and committing its row."""
    if count := evidence.sweep(timezone.now() - ORPHAN_AFTER):
        log.info("evidence.swept", files=count)


def sweep_media(timestamp: int) -> None:
    """Let go of files of devices as the data policy says, and of files that no row speaks of."""
    if count := media_policy.let_go(timezone.now()):
        log.info("media.let_go", files=count)
    if count := media_store.sweep(timezone.now() - ORPHAN_AFTER):
        log.info("media.swept", files=count)


def clear_sessions(timestamp: int) -> None:
    """Delete login sessions that have expired."""
    call_command("clearsessions")


async def retry_stalled_jobs(timestamp: int) -> None:
    """Run the jobs again that a killed worker left."""
    for job in await app.job_manager.get_stalled_jobs():
        log.warning("job.retried", task=job.task_name, job_id=job.id)
        await app.job_manager.retry_job(job)


async def remove_old_jobs(timestamp: int) -> None:
    """Forget jobs that ended days ago, failed ones too."""
    await app.job_manager.delete_old_jobs(
        nb_hours=KEEP_JOBS_H, include_failed=True, include_cancelled=True, include_aborted=True
    )


def follow_fences(timestamp: int) -> None:
    """Bring the watches of fences in line with what moved without a word: organisations, or tables changed by hand."""
    done = fences.follow()
    if any(done):
        log.info("fences.followed", **done._asdict())


def pull_cap_feeds(timestamp: int) -> None:
    """Look at the feeds of others whose time has come."""
    pulling.pull_due()


def reckon_risk(timestamp: int) -> None:
    """Reckon the risk of every site: facts begin and end, warnings expire, levels come down with time."""
    done = risks.reckon()
    if done.levels:
        log.info("risk.levels", sites=done.sites, changed=done.changed, levels=done.levels)


def look_for_commitments(timestamp: int) -> None:
    """Remind who has not committed yet, and note who missed the deadline."""
    reminded, missed = commitments.look()
    if reminded or missed:
        log.info("commitments.looked", reminded=reminded, missed=missed)


def repeat_risk(timestamp: int) -> None:
    """The index of followed sites once an hour, also when it stays: a sixtieth of them each minute."""
    series.repeat_due(timestamp // 60)


def make_reports(timestamp: int) -> None:
    """Make the trend reports that were ordered and whose period is over."""
    if made := reports.make_due(timezone.now()):
        log.info("reports.made", reports=made)


def pull_natural_feeds(timestamp: int) -> None:
    """Look at the feeds of earthquakes and typhoons whose time has come."""
    taking.pull_due()


def judge_naturals(timestamp: int) -> None:
    """Levels of natural hazards from gauges, earthquakes and storms as of now."""
    done = judging.evaluate()
    if done.raised or done.changed or done.cleared:
        log.info("natural.levels", raised=done.raised, changed=done.changed, cleared=done.cleared)


def pack_alarms(timestamp: int) -> None:
    """Pack the days of alarms that are over, and those of which something changed."""
    if days := packed.pack(timezone.now()):
        log.info("alarms.packed", days=days)


PERIODIC: dict[str, tuple[str, Any]] = {
    "purge_outbox": ("*/10 * * * *", purge_outbox),
    "retry_stalled_jobs": ("*/2 * * * *", retry_stalled_jobs),
    "follow_fences": ("*/10 * * * *", follow_fences),
    "sweep_evidence": ("17 3 * * *", sweep_evidence),
    "sweep_media": ("37 2 * * *", sweep_media),
    "remove_old_jobs": ("27 3 * * *", remove_old_jobs),
    "pull_cap_feeds": ("* * * * *", pull_cap_feeds),
    "pull_natural_feeds": ("* * * * *", pull_natural_feeds),
    "judge_naturals": ("* * * * *", judge_naturals),
    "reckon_risk": ("* * * * *", reckon_risk),
    "look_for_commitments": ("* * * * *", look_for_commitments),
    "repeat_risk": ("* * * * *", repeat_risk),
    "make_reports": ("12,42 * * * *", make_reports),
    "pack_alarms": ("*/5 * * * *", pack_alarms),
    "clear_sessions": ("37 3 * * *", clear_sessions),
}
