"""Every change of an alarm is counted, so that a screen knows which of two messages is the newer one."""

from django.db import migrations, models

FORWARD = """
CREATE FUNCTION alarms_count_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER alarm_version BEFORE UPDATE ON alarms_alarm FOR EACH ROW EXECUTE FUNCTION alarms_count_version();
"""

BACKWARD = """
DROP TRIGGER alarm_version ON alarms_alarm;
DROP FUNCTION alarms_count_version();
"""


class Migration(migrations.Migration):
    dependencies = [("alarms", "0002_rules_in_force")]

    operations = [
        migrations.AddField(
            model_name="alarm", name="version", field=models.PositiveIntegerField(db_default=0, default=0)
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
