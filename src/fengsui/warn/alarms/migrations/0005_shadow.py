"""A draft of a rule can run in shadow beside it; its episodes lie apart from alarms."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0004_rules_touched'),
        ('devices', '0006_protocols'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ShadowEpisode',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('key', models.CharField(max_length=60, unique=True)),
                ('raised_at', models.DateTimeField()),
                ('raised_value', models.FloatField(null=True)),
                ('peak_value', models.FloatField(null=True)),
                ('peak_at', models.DateTimeField(null=True)),
                ('cleared_at', models.DateTimeField(null=True)),
                ('cleared_value', models.FloatField(null=True)),
            ],
            options={
                'verbose_name': 'Episode in shadow',
                'verbose_name_plural': 'Episodes in shadow',
            },
        ),
        migrations.RemoveConstraint(
            model_name='rule',
            name='one_rule_of_a_kind',
        ),
        migrations.AddField(
            model_name='rule',
            name='shadow_of',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='alarms.rule'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.UniqueConstraint(condition=models.Q(('kind__in', ('hh', 'h', 'l', 'll', 'silent')), ('shadow_of', None), ('withdrawn_at', None)), fields=('datastream', 'kind'), name='one_rule_of_a_kind'),
        ),
        migrations.AddConstraint(
            model_name='rule',
            constraint=models.UniqueConstraint(condition=models.Q(('withdrawn_at', None)), fields=('shadow_of',), name='one_shadow_a_rule'),
        ),
        migrations.AddField(
            model_name='shadowepisode',
            name='rule',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='episodes', to='alarms.rule'),
        ),
        migrations.AddIndex(
            model_name='shadowepisode',
            index=models.Index(fields=['rule', 'raised_at'], name='shadow_rule'),
        ),
    ]
