"""The trigger function behind ``changes.bump_on_change``: its argument is the name of the counter."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION changes_bump() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO changes_change (name, number) VALUES (TG_ARGV[0], 1)
    ON CONFLICT (name) DO UPDATE SET number = changes_change.number + 1;
    RETURN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("changes", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, "DROP FUNCTION changes_bump();")]
