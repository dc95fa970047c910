"""The counter "rules" moves with what matters to the engine, and the datastreams it moved for are known by number."""

from django.db import migrations, models

# What a person notes on a rule, or shelving it, is none of the engine's business.
ENGINE = ("datastream_id", "kind", "setpoint", "deadband", "on_delay_ms", "off_delay_ms", "window_ms", "is_enabled",
          "withdrawn_at", "armed_at")  # fmt: skip
OLD, NEW = (", ".join(f"{row}.{column}" for column in ENGINE) for row in "on")

FORWARD = f"""
DROP TRIGGER changes_rules ON alarms_rule;

CREATE FUNCTION alarms_rules_touched() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    touched int[];
    moved bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT array_agg(DISTINCT datastream_id) INTO touched FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT array_agg(DISTINCT datastream_id) INTO touched FROM old_rows;
    ELSIF TG_OP = 'UPDATE' THEN
        SELECT array_agg(DISTINCT u.d) INTO touched
        FROM old_rows o FULL JOIN new_rows n USING (id), unnest(ARRAY[o.datastream_id, n.datastream_id]) u (d)
        WHERE ({OLD}) IS DISTINCT FROM ({NEW}) AND u.d IS NOT NULL;
    ELSE
        touched := ARRAY[0];
    END IF;
    IF touched IS NULL THEN
        RETURN NULL;
    END IF;
    -- The counter's row stays locked until the end of the transaction, so numbers become visible in their order.
    INSERT INTO changes_change (name, number) VALUES ('rules', 1)
    ON CONFLICT (name) DO UPDATE SET number = changes_change.number + 1
    RETURNING number INTO moved;
    IF cardinality(touched) > 500000 OR touched = ARRAY[0] THEN
        DELETE FROM alarms_ruletouch;
        touched := ARRAY[0];
    END IF;
    INSERT INTO alarms_ruletouch (datastream_id, number) SELECT unnest(touched), moved
    ON CONFLICT (datastream_id) DO UPDATE SET number = excluded.number;
    RETURN NULL;
END $$;
CREATE TRIGGER changes_rules_insert AFTER INSERT ON alarms_rule REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_rules_touched();
CREATE TRIGGER changes_rules_delete AFTER DELETE ON alarms_rule REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_rules_touched();
CREATE TRIGGER changes_rules_update AFTER UPDATE ON alarms_rule REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_rules_touched();
CREATE TRIGGER changes_rules_truncate AFTER TRUNCATE ON alarms_rule
    FOR EACH STATEMENT EXECUTE FUNCTION alarms_rules_touched();
"""

BACKWARD = f"""
DROP TRIGGER changes_rules_insert ON alarms_rule;
DROP TRIGGER changes_rules_delete ON alarms_rule;
DROP TRIGGER changes_rules_update ON alarms_rule;
DROP TRIGGER changes_rules_truncate ON alarms_rule;
DROP FUNCTION alarms_rules_touched();
CREATE TRIGGER changes_rules AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF {", ".join(ENGINE)} ON alarms_rule
    FOR EACH STATEMENT EXECUTE FUNCTION changes_bump('rules');
"""


class Migration(migrations.Migration):
    dependencies = [("alarms", "0003_alarm_version"), ("changes", "0002_bump")]

    operations = [
        migrations.CreateModel(
            name="RuleTouch",
            fields=[
                ("datastream_id", models.IntegerField(primary_key=True, serialize=False)),
                ("number", models.BigIntegerField(db_index=True)),
            ],
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
