"""Folding as rows: what an alarm is folded into and why; storms; rules of folding that move the counter "folding"."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from fengsui.stores.changes import bump_on_change


class Migration(migrations.Migration):

    dependencies = [
        ('alarms', '0008_grounds'),
        ('changes', '0002_bump'),
        ('devices', '0008_relations'),
        ('orgs', '0002_words'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='FoldTable',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('since', models.DateTimeField()),
                ('actor_name', models.CharField(max_length=150)),
                ('reason', models.CharField(max_length=200)),
                ('rows', models.JSONField()),
            ],
            options={
                'verbose_name': 'Rules of folding',
                'verbose_name_plural': 'Rules of folding',
                'ordering': ['-since', '-pk'],
            },
        ),
        migrations.CreateModel(
            name='Storm',
            fields=[
                ('id', models.AutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(null=True)),
                ('raised', models.PositiveIntegerField()),
                ('peak', models.PositiveIntegerField()),
            ],
            options={
                'verbose_name': 'Alarm storm',
                'verbose_name_plural': 'Alarm storms',
                'ordering': ['-began_at', '-pk'],
            },
        ),
        migrations.AddField(
            model_name='alarm',
            name='cause',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='effects', to='alarms.alarm'),
        ),
        migrations.AddField(
            model_name='alarm',
            name='fold_hops',
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='alarm',
            name='fold_lag_ms',
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name='alarm',
            name='fold_relation',
            field=models.CharField(db_default='', default='', max_length=12),
        ),
        migrations.AddField(
            model_name='alarm',
            name='fold_rule',
            field=models.CharField(db_default='', default='', max_length=40),
        ),
        migrations.AddField(
            model_name='alarm',
            name='folded_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='alarm',
            name='folded_count',
            field=models.PositiveIntegerField(db_default=0, default=0),
        ),
        migrations.AddField(
            model_name='alarm',
            name='parent',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='children', to='alarms.alarm'),
        ),
        migrations.AddField(
            model_name='alarm',
            name='refold_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('parent', None), models.Q(('cleared_at', None), ('acked_at', None), _connector='OR')), fields=['priority', '-raised_at', '-id'], name='alarm_queue'),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('parent', None), _negated=True), fields=['parent'], name='alarm_children'),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('cause', None), _negated=True), fields=['cause'], name='alarm_effects'),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('refold_at', None), _negated=True), fields=['refold_at'], name='alarm_refold'),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('cleared_at', None)), fields=['datastream'], name='alarm_open_stream'),
        ),
        migrations.AddIndex(
            model_name='alarm',
            index=models.Index(condition=models.Q(('cleared_at', None), _negated=True), fields=['cleared_at'], name='alarm_over'),
        ),
        migrations.AddField(
            model_name='storm',
            name='site',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='storms', to='devices.site'),
        ),
        migrations.AddConstraint(
            model_name='storm',
            constraint=models.UniqueConstraint(condition=models.Q(('ended_at', None)), fields=('site',), name='one_storm_a_site'),
        ),
        bump_on_change("alarms_foldtable", "folding"),
    ]
