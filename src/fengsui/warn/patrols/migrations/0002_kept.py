"""A draw is never changed or deleted: it must be possible to draw it again."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION patrols_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are kept as they are', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER draw_kept BEFORE UPDATE OR DELETE ON patrols_draw FOR EACH ROW EXECUTE FUNCTION patrols_kept();
"""
BACKWARD = """
DROP TRIGGER draw_kept ON patrols_draw;
DROP FUNCTION patrols_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("patrols", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
