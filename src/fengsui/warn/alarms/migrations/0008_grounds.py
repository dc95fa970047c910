"""What a scenario rule saw when it was raised, kept with the alarm."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0007_alter_alarm_kind'),
    ]

    operations = [
        migrations.AddField(
            model_name='alarm',
            name='grounds',
            field=models.JSONField(null=True),
        ),
    ]
