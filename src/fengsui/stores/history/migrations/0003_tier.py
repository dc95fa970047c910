import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('history', '0002_received_span'),
    ]

    operations = [
        migrations.CreateModel(
            name='Tier',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('minute', 'minute'), ('hour', 'hour')], max_length=6)),
                ('path', models.CharField(max_length=300, unique=True)),
                ('partition', models.PositiveIntegerField()),
                ('day', models.DateField()),
                ('rows', models.BigIntegerField()),
                ('bytes', models.BigIntegerField()),
                ('checksum', models.CharField(max_length=64)),
                ('segment', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='tiers', to='history.segment')),
            ],
            options={
                'indexes': [models.Index(fields=['kind', 'day'], name='tier_kind_day')],
            },
        ),
    ]
