"""MultiDatastreams: datastreams whose readings of an instant are one observation.  They move "registry"."""

import django.db.models.deletion
from django.db import migrations, models

from fengsui.stores.changes import bump_on_change


class Migration(migrations.Migration):

    dependencies = [
        ('changes', '0002_bump'),
        ('devices', '0006_protocols'),
    ]

    operations = [
        migrations.CreateModel(
            name='MultiDatastream',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=120)),
                ('description', models.TextField(blank=True)),
                ('properties', models.JSONField(blank=True, db_default={}, default=dict)),
                ('observed_area', models.JSONField(blank=True, editable=False, null=True)),
                ('is_active', models.BooleanField(db_default=True, default=True)),
                ('sensor', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='multi_datastreams', to='devices.sensor')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='multi_datastreams', to='devices.site')),
                ('thing', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='multi_datastreams', to='devices.thing')),
            ],
            options={
                'verbose_name': 'Combined datastream',
                'verbose_name_plural': 'Combined datastreams',
            },
        ),
        migrations.CreateModel(
            name='MultiDatastreamMember',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('position', models.PositiveSmallIntegerField()),
                ('is_own', models.BooleanField(default=False)),
                ('datastream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='devices.datastream')),
                ('multi_datastream', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='members', to='devices.multidatastream')),
            ],
            options={
                'ordering': ['multi_datastream', 'position'],
                'constraints': [models.UniqueConstraint(fields=('multi_datastream', 'position'), name='one_member_a_position'), models.UniqueConstraint(fields=('multi_datastream', 'datastream'), name='a_member_once')],
            },
        ),
        bump_on_change("devices_multidatastream", "registry"),
        bump_on_change("devices_multidatastreammember", "registry"),
    ]
