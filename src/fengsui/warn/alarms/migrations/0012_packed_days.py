"""Days of alarms are packed for reading many at once; what changes in a packed day is noted with the change itself."""

import datetime

import django.db.models.lookups
from django.db import migrations, models

# What is packed of an alarm (``columns.TYPES``), but for the verdict.
PACKED = ("rule_id", "datastream_id", "raised_at", "cleared_at", "acked_at", "site_id", "kind", "priority")
OLD, NEW = (", ".join(f"{row}.{column}" for column in PACKED) for row in "on")
DAY = "({} AT TIME ZONE 'UTC')::date"
LOCKS = 0x5044  # packed.LOCKS

FORWARD = f"""
ALTER TABLE alarms_packedday ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE FUNCTION alarms_note_touched(days date[], ids bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Held to the end of the transaction: a day is packed when nobody is changing it, so nothing slips between.
    PERFORM pg_advisory_xact_lock_shared({LOCKS}, d - date '1970-01-01') FROM (SELECT DISTINCT unnest(days)) u (d);
    INSERT INTO alarms_packedtouch (day, alarm_id)
    SELECT DISTINCT u.d, u.id FROM unnest(days, ids) u (d, id) JOIN alarms_packedday p ON p.day = u.d;
END $$;

CREATE FUNCTION alarms_touch() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    days date[];
    ids bigint[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg({DAY.format("raised_at")}), array_agg(id) INTO days, ids FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg({DAY.format("raised_at")}), array_agg(id) INTO days, ids FROM old_rows;
    ELSE
        SELECT array_agg({DAY.format("u.at")}), array_agg(u.id) INTO days, ids
        FROM old_rows o JOIN new_rows n USING (id), unnest(ARRAY[o.raised_at, n.raised_at], ARRAY[id, id]) u (at, id)
        WHERE ({OLD}) IS DISTINCT FROM ({NEW});
    END IF;
    IF days IS NOT NULL THEN
        PERFORM alarms_note_touched(days, ids);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_insert AFTER INSERT ON alarms_alarm REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch();
CREATE TRIGGER touch_delete AFTER DELETE ON alarms_alarm REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch();
CREATE TRIGGER touch_update AFTER UPDATE ON alarms_alarm REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch();

-- What people found out is packed too (verdicts.VERDICT): it changes with the loop, or with a deed in one that is closed.
CREATE FUNCTION alarms_touch_judged() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    keys text[];
    days date[];
    ids bigint[];
BEGIN
    IF TG_TABLE_NAME = 'loops_deed' THEN
        SELECT array_agg(substr(l.key, 7)) INTO keys FROM new_rows d JOIN loops_loop l ON l.id = d.loop_id
        WHERE d.data ->> 'cause' IS NOT NULL AND l.closed_at IS NOT NULL AND l.key LIKE 'alarm:%';
    ELSIF TG_OP = 'INSERT' THEN
        SELECT array_agg(substr(key, 7)) INTO keys FROM new_rows WHERE closed_at IS NOT NULL AND key LIKE 'alarm:%';
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(substr(key, 7)) INTO keys FROM old_rows WHERE closed_at IS NOT NULL AND key LIKE 'alarm:%';
    ELSE
        SELECT array_agg(substr(u.key, 7)) INTO keys
        FROM old_rows o JOIN new_rows n USING (id), unnest(ARRAY[o.key, n.key]) u (key)
        WHERE u.key LIKE 'alarm:%'
            AND (o.closed_at, o.outcome, o.key) IS DISTINCT FROM (n.closed_at, n.outcome, n.key);
    END IF;
    IF keys IS NOT NULL THEN
        SELECT array_agg({DAY.format("raised_at")}), array_agg(id) INTO days, ids
        FROM alarms_alarm WHERE key = ANY(keys);
        IF days IS NOT NULL THEN
            PERFORM alarms_note_touched(days, ids);
        END IF;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER touch_alarms_insert AFTER INSERT ON loops_loop REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch_judged();
CREATE TRIGGER touch_alarms_delete AFTER DELETE ON loops_loop REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch_judged();
CREATE TRIGGER touch_alarms_update AFTER UPDATE ON loops_loop REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch_judged();
CREATE TRIGGER touch_alarms_deed AFTER INSERT ON loops_deed REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_touch_judged();

CREATE FUNCTION alarms_unpack() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM alarms_packedday;
    DELETE FROM alarms_packedtouch;
    RETURN NULL;
END $$;
CREATE TRIGGER unpack AFTER TRUNCATE ON alarms_alarm FOR EACH STATEMENT EXECUTE FUNCTION alarms_unpack();
CREATE TRIGGER unpack_alarms AFTER TRUNCATE ON loops_loop FOR EACH STATEMENT EXECUTE FUNCTION alarms_unpack();
"""

BACKWARD = """
DROP TRIGGER unpack_alarms ON loops_loop;
DROP TRIGGER unpack ON alarms_alarm;
DROP TRIGGER touch_alarms_deed ON loops_deed;
DROP TRIGGER touch_alarms_update ON loops_loop;
DROP TRIGGER touch_alarms_delete ON loops_loop;
DROP TRIGGER touch_alarms_insert ON loops_loop;
DROP TRIGGER touch_update ON alarms_alarm;
DROP TRIGGER touch_delete ON alarms_alarm;
DROP TRIGGER touch_insert ON alarms_alarm;
DROP FUNCTION alarms_unpack();
DROP FUNCTION alarms_touch_judged();
DROP FUNCTION alarms_touch();
DROP FUNCTION alarms_note_touched(date[], bigint[]);
"""

LONG = django.db.models.lookups.GreaterThan(
    models.F("cleared_at") - models.F("raised_at"), datetime.timedelta(days=1)
)


class Migration(migrations.Migration):
    dependencies = [("alarms", "0011_kind_of_scenarios"), ("loops", "0003_kept")]

    operations = [
        migrations.CreateModel(
            name="PackedDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("alarms", models.PositiveIntegerField()),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="PackedTouch",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.DateField(db_index=True)),
                ("alarm_id", models.BigIntegerField()),
            ],
        ),
        migrations.AddIndex(
            model_name="alarm",
            index=models.Index(
                fields=["cleared_at", "raised_at"],
                condition=models.Q(("cleared_at", None)) | models.Q(LONG),
                name="alarm_long",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
