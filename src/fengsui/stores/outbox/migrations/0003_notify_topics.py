"""The wake-up names the topics that were added: only whoever drains one of them has to look."""

from django.db import migrations

FORWARD = """
DROP TRIGGER outbox_notify ON outbox_event;
CREATE OR REPLACE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', topic) FROM (SELECT DISTINCT topic FROM new_rows) added;
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_notify AFTER INSERT ON outbox_event REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();
"""
BACKWARD = """
DROP TRIGGER outbox_notify ON outbox_event;
CREATE OR REPLACE FUNCTION outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('outbox', '');
    RETURN NULL;
END $$;
CREATE TRIGGER outbox_notify AFTER INSERT ON outbox_event FOR EACH STATEMENT EXECUTE FUNCTION outbox_notify();
"""


class Migration(migrations.Migration):
    dependencies = [("outbox", "0002_dead_letters_and_notify")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
