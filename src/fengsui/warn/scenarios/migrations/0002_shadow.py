"""A draft of a scenario rule can run in shadow beside it."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("scenarios", "0001_initial"), ("alarms", "0011_kind_of_scenarios")]

    operations = [
        migrations.RemoveConstraint("scenariorule", "one_scenario_a_code"),
        migrations.AddField(
            "scenariorule",
            "shadow_of",
            models.ForeignKey(
                blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="+",
                to="scenarios.scenariorule",
            ),
        ),
        migrations.AddConstraint(
            "scenariorule",
            models.UniqueConstraint(
                condition=models.Q(("shadow_of", None)), fields=("site", "code"), name="one_scenario_a_code"
            ),
        ),
        migrations.AddConstraint(
            "scenariorule",
            models.UniqueConstraint(
                condition=models.Q(("withdrawn_at", None)), fields=("shadow_of",), name="one_shadow_a_scenario"
            ),
        ),
    ]  # fmt: skip
