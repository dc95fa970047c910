"""Field protocols: identities, mappings of codes, unmapped codes, Modbus.  All but the unmapped move "protocols"."""

import django.db.models.deletion
from django.db import migrations, models

from fengsui.stores.changes import bump_on_change


class Migration(migrations.Migration):

    dependencies = [
        ('changes', '0002_bump'),
        ('devices', '0005_places'),
    ]

    operations = [
        migrations.CreateModel(
            name='ModbusLink',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('host', models.CharField(max_length=255)),
                ('port', models.PositiveIntegerField(default=502)),
                ('unit', models.PositiveSmallIntegerField(default=1)),
                ('framing', models.CharField(choices=[('tcp', 'Modbus/TCP'), ('rtu', 'RTU'), ('ascii', 'ASCII')], default='tcp', max_length=5)),
                ('period_ms', models.PositiveIntegerField(default=1000)),
                ('timeout_ms', models.PositiveIntegerField(default=1000)),
                ('is_active', models.BooleanField(default=True)),
                ('device', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='modbus', to='devices.device')),
            ],
            options={
                'verbose_name': 'Modbus link',
                'verbose_name_plural': 'Modbus links',
            },
        ),
        migrations.CreateModel(
            name='CodeMapping',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('protocol', models.CharField(max_length=24)),
                ('code', models.CharField(max_length=96)),
                ('model', models.CharField(blank=True, max_length=64)),
                ('datastream', models.CharField(blank=True, max_length=64)),
                ('observed_property', models.CharField(blank=True, max_length=64)),
                ('unit', models.CharField(blank=True, max_length=20)),
                ('factor', models.FloatField(default=1.0)),
                ('shift', models.FloatField(default=0.0)),
                ('device', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='mappings', to='devices.device')),
                ('site', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='mappings', to='devices.site')),
            ],
            options={
                'verbose_name': 'Code mapping',
                'verbose_name_plural': 'Code mappings',
                'ordering': ['protocol', 'code', 'id'],
                'constraints': [models.UniqueConstraint(fields=('protocol', 'code', 'site', 'device', 'model'), name='code_mapping', nulls_distinct=False)],
            },
        ),
        migrations.CreateModel(
            name='ModbusPoint',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(max_length=64)),
                ('area', models.CharField(max_length=8)),
                ('address', models.PositiveIntegerField()),
                ('kind', models.CharField(default='uint16', max_length=8)),
                ('byte_order', models.CharField(default='ABCD', max_length=4)),
                ('bit', models.PositiveSmallIntegerField(default=0)),
                ('scale', models.FloatField(default=1.0)),
                ('shift', models.FloatField(default=0.0)),
                ('unit', models.CharField(blank=True, max_length=20)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='modbus_points', to='devices.device')),
            ],
            options={
                'verbose_name': 'Modbus point',
                'verbose_name_plural': 'Modbus points',
                'ordering': ['device_id', 'code'],
                'constraints': [models.UniqueConstraint(fields=('device', 'code'), name='modbus_point')],
            },
        ),
        migrations.CreateModel(
            name='ProtocolIdentity',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('protocol', models.CharField(max_length=24)),
                ('identity', models.CharField(max_length=64)),
                ('secret', models.CharField(blank=True, editable=False, max_length=255)),
                ('model', models.CharField(blank=True, help_text='Type of device, as mappings name it', max_length=64)),
                ('is_active', models.BooleanField(default=True)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='identities', to='devices.device')),
                ('thing', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, to='devices.thing')),
            ],
            options={
                'verbose_name': 'Protocol identity',
                'verbose_name_plural': 'Protocol identities',
                'ordering': ['protocol', 'identity'],
                'constraints': [models.UniqueConstraint(fields=('protocol', 'identity'), name='protocol_identity')],
            },
        ),
        migrations.CreateModel(
            name='UnmappedCode',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('protocol', models.CharField(max_length=24)),
                ('code', models.CharField(max_length=96)),
                ('unit', models.CharField(blank=True, max_length=20)),
                ('first_at', models.DateTimeField()),
                ('last_at', models.DateTimeField()),
                ('count', models.BigIntegerField(default=0)),
                ('last_value', models.FloatField(null=True)),
                ('device', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unmapped', to='devices.device')),
            ],
            options={
                'verbose_name': 'Unmapped code',
                'verbose_name_plural': 'Unmapped codes',
                'indexes': [models.Index(fields=['-last_at', '-id'], name='unmapped_last')],
                'constraints': [models.UniqueConstraint(fields=('device', 'protocol', 'code'), name='unmapped_code')],
            },
        ),
        *[
            bump_on_change(f"devices_{table}", "protocols")
            for table in ("protocolidentity", "codemapping", "modbuslink", "modbuspoint")
        ],
    ]
