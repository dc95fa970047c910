"""Rules say when they were armed; a change that matters to the engine moves the counter "rules"; alarms follow their site."""

import django.db.models.functions.datetime
from django.db import migrations, models

# Shelving a rule does not change what the engine does: only these columns are its business.
ENGINE = (
    "datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, is_enabled, withdrawn_at, armed_at"
)

FORWARD = f"""
CREATE FUNCTION alarms_rule_armed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.armed_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER rule_armed BEFORE UPDATE ON alarms_rule FOR EACH ROW
    WHEN (NEW.is_enabled AND NEW.withdrawn_at IS NULL AND (NOT OLD.is_enabled OR OLD.withdrawn_at IS NOT NULL))
    EXECUTE FUNCTION alarms_rule_armed();

CREATE TRIGGER changes_rules AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF {ENGINE} ON alarms_rule
    FOR EACH STATEMENT EXECUTE FUNCTION changes_bump('rules');

CREATE FUNCTION alarms_follow_site() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE alarms_alarm SET org_id = NEW.org_id, org_path = NEW.org_path WHERE site_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER alarms_follow_site AFTER UPDATE ON devices_site FOR EACH ROW
    WHEN (OLD.org_path IS DISTINCT FROM NEW.org_path OR OLD.org_id IS DISTINCT FROM NEW.org_id)
    EXECUTE FUNCTION alarms_follow_site();
"""

BACKWARD = """
DROP TRIGGER alarms_follow_site ON devices_site;
DROP FUNCTION alarms_follow_site();
DROP TRIGGER changes_rules ON alarms_rule;
DROP TRIGGER rule_armed ON alarms_rule;
DROP FUNCTION alarms_rule_armed();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("alarms", "0001_initial"),
        ("devices", "0002_triggers"),
        ("changes", "0002_bump"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="deed",
            options={"verbose_name": "Deed", "verbose_name_plural": "Deeds"},
        ),
        migrations.AddField(
            model_name="rule",
            name="armed_at",
            field=models.DateTimeField(
                db_default=django.db.models.functions.datetime.Now(),
                editable=False,
                help_text="Made or switched on again; silence counts from here",
            ),
        ),
        migrations.AddConstraint(
            model_name="rule",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind__in", ("hh", "h", "l", "ll", "silent")), ("withdrawn_at", None)),
                fields=("datastream", "kind"),
                name="one_rule_of_a_kind",
            ),
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                condition=models.Q(("cleared_at", None)), fields=["rule"], name="alarm_active"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
