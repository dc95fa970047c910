"""Events given up stay visible; whoever commits an event wakes the worker (NOTIFY)."""

import django.core.serializers.json
from django.db import migrations, models


FORWARD = """
CREATE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_notify AFTER INSERT ON outbox_event
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();
"""

BACKWARD = """
DROP TRIGGER outbox_notify ON outbox_event;
DROP FUNCTION outbox_notify();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('outbox', '0001_initial'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='event',
            options={'verbose_name': 'Event', 'verbose_name_plural': 'Outbox'},
        ),
        migrations.RemoveIndex(
            model_name='event',
            name='outbox_waiting',
        ),
        migrations.AddField(
            model_name='event',
            name='dead_at',
            field=models.DateTimeField(null=True, verbose_name='given up'),
        ),
        migrations.AlterField(
            model_name='event',
            name='attempts',
            field=models.PositiveSmallIntegerField(default=0, verbose_name='failed attempts'),
        ),
        migrations.AlterField(
            model_name='event',
            name='created_at',
            field=models.DateTimeField(auto_now_add=True, verbose_name='created'),
        ),
        migrations.AlterField(
            model_name='event',
            name='error',
            field=models.TextField(blank=True, verbose_name='last error'),
        ),
        migrations.AlterField(
            model_name='event',
            name='handled_at',
            field=models.DateTimeField(null=True, verbose_name='handled'),
        ),
        migrations.AlterField(
            model_name='event',
            name='not_before',
            field=models.DateTimeField(null=True, verbose_name='not before'),
        ),
        migrations.AlterField(
            model_name='event',
            name='payload',
            field=models.JSONField(encoder=django.core.serializers.json.DjangoJSONEncoder, verbose_name='content'),
        ),
        migrations.AlterField(
            model_name='event',
            name='topic',
            field=models.CharField(max_length=60, verbose_name='topic'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('dead_at', None), ('handled_at', None)), fields=['id'], name='outbox_waiting'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('handled_at', None), _negated=True), fields=['handled_at'], name='outbox_handled'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('handled_at', None), models.Q(('dead_at', None), _negated=True)), fields=['id'], name='outbox_dead'),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
