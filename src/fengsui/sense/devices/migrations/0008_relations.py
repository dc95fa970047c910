"""Relations of assets.  They move the counter "relations", and every change is kept with who made it."""

import django.db.models.deletion
from django.db import migrations, models

from fengsui.stores.changes import bump_on_change

FORWARD = """
CREATE FUNCTION devices_relation_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' OR (OLD.is_active, OLD.note) IS DISTINCT FROM (NEW.is_active, NEW.note) THEN
        INSERT INTO devices_relationchange (relation_id, at, actor_name, is_active, note)
        VALUES (NEW.id, clock_timestamp(), coalesce(current_setting('fengsui.actor', true), ''), NEW.is_active,
                NEW.note);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER relation_kept AFTER INSERT OR UPDATE ON devices_assetrelation
    FOR EACH ROW EXECUTE FUNCTION devices_relation_kept();
"""

BACKWARD = """
DROP TRIGGER relation_kept ON devices_assetrelation;
DROP FUNCTION devices_relation_kept();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('changes', '0002_bump'),
        ('devices', '0007_multi_datastreams'),
    ]

    operations = [
        migrations.CreateModel(
            name='AssetRelation',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('feeds', 'feeds'), ('carries', 'carries the data of'), ('contains', 'contains'), ('connects', 'leads into'), ('neighbour', 'stands beside')], max_length=12, verbose_name='relation')),
                ('note', models.CharField(blank=True, max_length=200, verbose_name='note')),
                ('is_active', models.BooleanField(default=True, verbose_name='in force')),
                ('site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='relations_in', to='devices.site', verbose_name='site')),
                ('thing', models.ForeignKey(blank=True, help_text='Empty: the whole site', null=True, on_delete=django.db.models.deletion.CASCADE, related_name='relations_in', to='devices.thing', verbose_name='thing')),
                ('upstream_site', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='relations_out', to='devices.site', verbose_name='upstream site')),
                ('upstream_thing', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='relations_out', to='devices.thing', verbose_name='upstream thing')),
            ],
            options={
                'verbose_name': 'Asset relation',
                'verbose_name_plural': 'Asset relations',
            },
        ),
        migrations.CreateModel(
            name='RelationChange',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('actor_name', models.CharField(blank=True, max_length=150)),
                ('is_active', models.BooleanField()),
                ('note', models.CharField(blank=True, max_length=200)),
                ('relation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='devices.assetrelation')),
            ],
            options={
                'verbose_name': 'Change of a relation',
                'verbose_name_plural': 'Changes of relations',
                'ordering': ['-at', '-pk'],
            },
        ),
        migrations.AddConstraint(
            model_name='assetrelation',
            constraint=models.UniqueConstraint(fields=('kind', 'upstream_site', 'upstream_thing', 'site', 'thing'), name='asset_relation', nulls_distinct=False),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
        bump_on_change("devices_assetrelation", "relations"),
    ]
