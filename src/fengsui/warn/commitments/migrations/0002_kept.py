"""A commitment that was given is never changed or deleted; only the account of who gave it may go."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION commitments_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are kept as they are', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER commitment_not_deleted BEFORE DELETE ON commitments_commitment
    FOR EACH ROW EXECUTE FUNCTION commitments_kept();
CREATE TRIGGER commitment_not_changed BEFORE UPDATE ON commitments_commitment FOR EACH ROW
    WHEN (to_jsonb(NEW) - 'actor_id' IS DISTINCT FROM to_jsonb(OLD) - 'actor_id' OR NEW.actor_id IS NOT NULL)
    EXECUTE FUNCTION commitments_kept();
CREATE TRIGGER obligation_kept BEFORE UPDATE ON commitments_obligation
    FOR EACH ROW EXECUTE FUNCTION commitments_kept();
"""
BACKWARD = """
DROP TRIGGER obligation_kept ON commitments_obligation;
DROP TRIGGER commitment_not_changed ON commitments_commitment;
DROP TRIGGER commitment_not_deleted ON commitments_commitment;
DROP FUNCTION commitments_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("commitments", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
