"""Codes of errors, reasons, states and roles in words that people read.  Text goes through gettext."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from fengsui.base.errors import FengsuiError
from fengsui.base.quality import Quality, Reason
from fengsui.loops.kinds.definition import Definition
from fengsui.loops.services import in_language
from fengsui.warn.alarms.models import Alarm
from fengsui.warn.rules import BadRule, Problem

# Code → what it means.  An empty text: what the raiser said is written for people and stands alone.
ERRORS = {
    "base.error": _("Something went wrong."),
    "base.bad_input": _("This cannot be used as it is."),
    "base.bad_code": _("The standard does not allow this code."),
    "people.not_allowed": _("You may not do this here."),
    "people.password_due": _("Choose a new password first."),
    "people.bad_org": "",
    "people.bad_account": "",
    "people.cannot_unseal": _("A stored secret does not open with this platform's key."),
    "sense.bad_batch": _("The message is not a batch of readings."),
    "sense.bad_frame": _("These bytes are no frame of the protocol."),
    "sense.bad_command": _("The device's protocol cannot carry this command."),
    "sense.bad_mapping": _("This code cannot be mapped like this."),
    "sense.bad_point": _("A point of this device cannot be read as it is written."),
    "sense.bad_payload": _("No reading of this message could be read."),
    "sense.bad_file": "",
    "sense.bad_dataset": _("The data set cannot be used."),
    "sense.bad_token": _("The device's token is not valid."),
    "sense.still_used": "",
    "sense.bad_video_device": "",
    "sense.bad_unit": "",
    "sense.bad_positions": "",
    "base.bad_shape": "",
    "warn.bad_fence": "",
    "sense.video_refused": _("The video device refused, or cannot be asked now."),
    "sense.no_answer": _("The device did not answer in time."),
    "sense.bad_simulation": "",
    "sense.bad_report": "",
    "sense.no_font": "",
    "run.bad_data_set": "",
    "sense.disk_full": _("A disk is nearly full; send the readings again later."),
    "sense.clock": _("The clock of this machine has jumped; send the readings again in a moment."),
    "sense.busy": _("The message bus is busy; send it again later."),
    "govern.unknown_unit": _("This unit is unknown, or measures something else."),
    "govern.bad_correction": "",
    "warn.bad_rule": _("These values do not make a rule."),
    "warn.bad_duration": _("This is not a span of time."),
    "warn.bad_scenario": _("The scenario cannot be run."),
    "warn.bad_note": "",
    "warn.bad_expression": "",
    "warn.bad_contact": "",
    "warn.bad_call": "",
    "warn.call_over": "",
    "warn.no_such_code": "",
    "warn.channel_failed": "",
    "warn.bad_scenario_rule": "",
    "warn.scenario_rule_changed": "",
    "warn.bad_folding": "",
    "warn.bad_shelving": "",
    "warn.rule_changed": "",
    "warn.no_shadow": "",
    "warn.rule_withdrawn": "",
    "warn.cannot_write_cap": _("This would not be a CAP 1.2 message."),
    "warn.bad_cap_key": _("The key or certificate for signing warnings cannot be used."),
    "warn.bad_warning": "",
    "warn.bad_hazard_table": _("A table of the major-hazard standard cannot be used."),
    "warn.bad_inventory": "",
    "warn.bad_fact": "",
    "warn.bad_detector": "",
    "warn.detector_state": "",
    "warn.bad_commitment": "",
    "warn.bad_patrol": "",
    "show.bad_report": "",
    "show.bad_template": "",
    "stores.mail_untrusted": "",
    "show.no_mail": _("No mail server is set (FENGSUI_SMTP_URL): reports are made and kept, not sent."),
    "warn.commitment_not_explained": "",
    "warn.bad_weights": _("Weights of the risk index cannot be used."),
    "warn.bad_gauge": "",
    "warn.bad_thresholds": _("Thresholds of natural hazards cannot be used."),
    "warn.warning_not_fit": _("It is not fit to be sent:"),
    "warn.warning_state": "",
    "warn.same_eyes": "",
    "warn.cannot_fetch": _("This feed cannot be read now."),
    "loops.wrong_step": "",
    "loops.changed_meanwhile": "",
    "loops.same_person": "",
    "loops.incomplete": "",
    "loops.evidence_refused": "",
    "loops.bad_definition": _("The definition cannot be used."),
    "loops.unknown_kind": _("There is no such kind of loop."),
    "run.bad_pack": _("The region pack cannot be loaded."),
    "run.cannot_play": _("This cannot be played."),
    "show.not_found": _("There is nothing here, or it is outside what you may see."),
    "show.not_logged_in": _("Please log in."),
    "show.bad_request": _("Some fields cannot be used as they are."),
    "show.bad_cursor": _("This place in the list is no longer known; start from the first page."),
    "show.too_many_streams": _("Too many live pages are open; close some."),
    "show.bad_paste": "",
    "show.csrf": _("The page is too old to send this; reload it and try again."),
    "show.sta_bad_query": "",
    "show.sta_not_answered": "",
    "show.sta_too_much": "",
    "show.sta_too_large": "",
    "show.sta_method": "",
    "show.sta_observation_refused": "",
    "show.no_video": _("Cameras cannot be reached: the role video is not up (FENGSUI_VIDEO)."),
    "show.no_bus": _("The message bus does not answer; live values come back when it does."),
}
# Codes whose raiser speaks to programmers: people get the meaning alone.
MEANING_ONLY = frozenset({"people.not_allowed", "loops.unknown_kind", "show.bad_cursor"})
# Why an action of a loop is not offered.
WITHHELD = {
    "people.not_allowed": _("for other roles"),
    "loops.same_person": _("somebody else has to do this: four eyes"),
}

REASONS = {
    Reason.NONE: _("Nothing wrong"),
    Reason.UNPARSABLE: _("Cannot be read"),
    Reason.UNKNOWN_DATASTREAM: _("Unknown datastream"),
    Reason.WRONG_SITE: _("Device of another site"),
    Reason.UNIT: _("Wrong unit"),
    Reason.RANGE: _("Outside the instrument's range"),
    Reason.TOO_LATE: _("Too old"),
    Reason.FUTURE: _("From the future"),
    Reason.CONFLICT: _("Contradicts a stored reading"),
    Reason.STOPPED: _("Declared out of service"),
    Reason.UNMAPPED: _("Code not mapped"),
    Reason.LATE: _("Late"),
    Reason.FROZEN: _("Frozen"),
    Reason.CORRECTED: _("Corrected"),
    Reason.NO_VALUE: _("No value"),
}

QUALITIES = {Quality.GOOD: _("Good"), Quality.UNCERTAIN: _("Uncertain"), Quality.BAD: _("Bad")}

ALARM_STATES = {
    "active_unacked": _("Active, not acknowledged"),
    "active_acked": _("Active, acknowledged"),
    "cleared_unacked": _("Cleared, not acknowledged"),
    "normal": _("Over"),
    "shelved": _("Shelved"),
    "suppressed": _("Suppressed"),
}

FRESHNESS = {"live": _("Live"), "late": _("Late"), "stale": _("Interrupted"), "never": _("Never heard")}

CALL_ENDS = {
    "replaced": _("The warning was replaced."),
    "cancelled": _("The warning was cancelled."),
    "expired": _("The warning expired."),
    "stopped": _("Somebody stopped the calls."),
}

DEEDS = {
    "raised": _("raised"),
    "acked": _("acknowledged"),
    "cleared": _("cleared"),
    "shelved": _("shelved"),
    "unshelved": _("unshelved"),
    "suppressed": _("suppressed"),
    "unsuppressed": _("no longer suppressed"),
    "folded": _("folded into its cause"),
    "unfolded": _("stands for itself again"),
}

FOLDED = {  # relation → what explains an alarm
    "feeds": _("It is fed by %(cause)s."),
    "carries": _("Its data come over %(cause)s."),
    "contains": _("It is a part of %(cause)s."),
    "connects": _("%(cause)s leads into it."),
    "neighbour": _("It stands beside %(cause)s."),
    "same": _("It is on the same asset as %(cause)s."),
}

WARNING_STATES = {
    "in_force": _("In force"),
    "expired": _("Expired"),
    "replaced": _("Replaced by an update"),
    "cancelled": _("Cancelled"),
    "cancel": _("Cancellation"),
    "ack": _("Acknowledgement"),
    "error": _("Rejection by a receiver"),
    "exercise": _("Exercise"),
    "test": _("Test"),
    "system": _("System message"),
    "draft": _("Draft of others"),
    "refused": _("Put aside: not trusted"),
    "unknown": _("Unclear"),
}

WARNING_DEEDS = {
    "drafted": _("drafted"),
    "edited": _("edited"),
    "submitted": _("sent for review"),
    "reviewed": _("reviewed"),
    "returned": _("sent back"),
    "approved": _("approved"),
    "published": _("published"),
    "discarded": _("discarded"),
}

SIGNATURES = {
    "none": _("Not signed"),
    "valid": _("Signed, and trusted"),
    "untrusted": _("Signed, by a certificate that is not trusted here"),
    "invalid": _("Signature does not fit"),
    "unsupported": _("Signature cannot be verified"),
}

ROLES = {
    "bus": _("Bus"),
    "db": _("Database"),
    "gateway": _("Gateway"),
    "pipeline": _("Pipeline"),
    "replay": _("Replay"),
    "web": _("Portal"),
    "video": _("Video"),
    "worker": _("Worker"),
}


# Why bytes of a field protocol are refused (``BadFrame.reason``): those that most protocols share.
REFUSALS = {
    "checksum": _("The checksum does not fit."),
    "crc": _("The checksum does not fit."),
    "lrc": _("The checksum does not fit."),
    "length": _("The length does not fit the bytes."),
    "tail": _("The end mark is missing."),
    "no end": _("The end mark is missing."),
    "cut": _("The frame is not whole."),
    "too short": _("The frame is not whole."),
    "noise": _("No frame begins in these bytes."),
    "escape": _("An escape is wrong."),
    "incomplete": _("Packets of the message are missing."),
    "hex": _("These are not hex digits, two for each byte."),
    "head": _("The header cannot be read."),
    "json": _("The content cannot be read."),
    "xml": _("The content cannot be read."),
    "protobuf": _("The content cannot be read."),
    "manscdp": _("The content cannot be read."),
}


def refusal(reason: str) -> str:
    """Why bytes were refused, in the language of the moment."""
    return str(REFUSALS.get(reason, _("These bytes are no frame of the protocol.")))


def say(error: FengsuiError) -> str:
    """An error in words: what its code means, then what the raiser said about this one."""
    meaning = str(ERRORS.get(error.code, ERRORS["base.error"]))
    if error.code in MEANING_ONLY:
        return meaning
    if isinstance(error, BadRule):
        return f"{meaning} {'; '.join(problem(p) for p in error.problems)}"
    return " ".join(part for part in (meaning, str(error)) if part)


def problem(found: Problem) -> str:
    """What is wrong with one parameter of a rule, in the language of the moment."""
    return gettext(found.text) % found.values


def reason(number: int) -> str:
    """A ``base.quality.Reason`` in words; a number that is not known yet is shown as it is."""
    try:
        return str(REASONS[Reason(number)])
    except (ValueError, KeyError):
        return str(number)


def fold_reason(alarm: Alarm) -> str:
    """Why an alarm is folded, in a sentence or two; "" when it is not.  Reads cause, its site, datastream and thing."""
    cause = alarm.cause
    if alarm.parent_id is None or cause is None:
        return ""
    thing = cause.datastream.thing
    name = f"{in_language(cause.site.name, cause.site.name_en)} · {in_language(thing.name, thing.name_en)}"
    said = FOLDED.get(alarm.fold_relation)
    first = str(said) % {"cause": name} if said else name
    lag = round((alarm.fold_lag_ms or 0) / 1000)
    kind = cause.get_kind_display()
    if lag >= 0:
        then = gettext("“%(kind)s” was raised there %(seconds)s s before.") % {"kind": kind, "seconds": lag}
    else:
        then = gettext("“%(kind)s” was raised there %(seconds)s s later.") % {"kind": kind, "seconds": -lag}
    return f"{first}{'' if in_language('zh', 'en') == 'zh' else ' '}{then}"


LOOP_DEEDS = {
    "opened": _("opened"),
    "assigned": _("assigned"),
    "escalated": _("escalated"),
    "noted": _("noted"),
}


def loop_step(definition: Definition, code: str) -> str:
    """The name of a step in the language of the moment; a code that the kind no longer has stays a code."""
    step = next((s for s in definition.steps if s.code == code), None)
    return in_language(step.zh, step.en) if step else code


def loop_action(definition: Definition, code: str) -> str:
    """The name of what was done in a loop."""
    if code in LOOP_DEEDS:
        return str(LOOP_DEEDS[code])
    action = definition.action(code)
    return in_language(action.zh, action.en) if action else code


def quality(number: int) -> str:
    """A ``base.quality.Quality`` in words."""
    try:
        return str(QUALITIES[Quality(number)])
    except (ValueError, KeyError):
        return str(number)
