"""Deeds and evidence are never edited or deleted; a loop's org_path always follows its organisation."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION loops_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are kept as they are', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER deed_not_deleted BEFORE DELETE ON loops_deed FOR EACH ROW EXECUTE FUNCTION loops_kept();
CREATE TRIGGER deed_not_edited BEFORE UPDATE ON loops_deed FOR EACH ROW
    WHEN ((NEW.id, NEW.loop_id, NEW.step, NEW.to_step, NEW.action, NEW.at, NEW.actor_name, NEW.note, NEW.data)
          IS DISTINCT FROM
          (OLD.id, OLD.loop_id, OLD.step, OLD.to_step, OLD.action, OLD.at, OLD.actor_name, OLD.note, OLD.data)
          OR (NEW.actor_id IS DISTINCT FROM OLD.actor_id AND NEW.actor_id IS NOT NULL))
    EXECUTE FUNCTION loops_kept();
CREATE TRIGGER evidence_kept BEFORE UPDATE OR DELETE ON loops_evidence
    FOR EACH ROW EXECUTE FUNCTION loops_kept();
CREATE TRIGGER kind_change_kept BEFORE UPDATE ON loops_kindchange
    FOR EACH ROW EXECUTE FUNCTION loops_kept();

CREATE FUNCTION loops_org_path() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.org_path := coalesce((SELECT path FROM orgs_org WHERE id = NEW.org_id), NEW.org_path);
    RETURN NEW;
END $$;
CREATE TRIGGER loop_org_path BEFORE INSERT OR UPDATE OF org_id ON loops_loop
    FOR EACH ROW EXECUTE FUNCTION loops_org_path();

CREATE FUNCTION loops_org_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE loops_loop SET org_path = NEW.path WHERE org_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER loops_follow_org AFTER UPDATE OF path ON orgs_org
    FOR EACH ROW WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION loops_org_moved();
"""

BACKWARD = """
DROP TRIGGER loops_follow_org ON orgs_org;
DROP TRIGGER loop_org_path ON loops_loop;
DROP TRIGGER kind_change_kept ON loops_kindchange;
DROP TRIGGER evidence_kept ON loops_evidence;
DROP TRIGGER deed_not_edited ON loops_deed;
DROP TRIGGER deed_not_deleted ON loops_deed;
DROP FUNCTION loops_org_moved();
DROP FUNCTION loops_org_path();
DROP FUNCTION loops_kept();
"""


class Migration(migrations.Migration):
    dependencies = [("loops", "0002_desks_versions_and_facts"), ("orgs", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
