"""An alarm of a scenario rule is of a kind of its own, and an episode in shadow keeps why, as an alarm does."""

from django.db import migrations, models

# Until now only scenario rules left grounds, and their alarms were of the kind of the ordinary rule.
FORWARD = "UPDATE alarms_alarm SET kind = 'scenario' WHERE grounds IS NOT NULL AND kind = 'h'"
BACKWARD = "UPDATE alarms_alarm SET kind = 'h' WHERE kind = 'scenario'"


class Migration(migrations.Migration):
    dependencies = [("alarms", "0010_figures")]

    operations = [
        migrations.AddField("shadowepisode", "grounds", models.JSONField(null=True)),
        migrations.AlterField(
            "alarm",
            "kind",
            models.CharField(
                choices=[
                    ("hh", "High-high"), ("h", "High"), ("l", "Low"), ("ll", "Low-low"), ("rate", "Rate of change"),
                    ("frozen", "Frozen"), ("silent", "Silent"), ("detector", "Detector"),
                    ("truth", "Instrument not true"), ("scenario", "Scenario"),
                ],
                max_length=8,
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]  # fmt: skip
