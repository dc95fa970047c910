"""Every change to the registry moves the counter "registry"; a site's org_path always follows its organisation."""

from django.db import migrations

from fengsui.stores.changes import bump_on_change

TABLES = ["site", "thing", "sensor", "observedproperty", "datastream", "device"]

FORWARD = """
CREATE FUNCTION devices_site_org_path() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.org_path := coalesce((SELECT path FROM orgs_org WHERE id = NEW.org_id), NEW.org_path);
    RETURN NEW;
END $$;
CREATE TRIGGER site_org_path BEFORE INSERT OR UPDATE OF org_id, org_path ON devices_site
    FOR EACH ROW EXECUTE FUNCTION devices_site_org_path();

CREATE FUNCTION devices_org_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE devices_site SET org_path = NEW.path WHERE org_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER sites_follow_org AFTER UPDATE OF path ON orgs_org
    FOR EACH ROW WHEN (OLD.path IS DISTINCT FROM NEW.path) EXECUTE FUNCTION devices_org_moved();
"""

BACKWARD = """
DROP TRIGGER sites_follow_org ON orgs_org;
DROP TRIGGER site_org_path ON devices_site;
DROP FUNCTION devices_org_moved();
DROP FUNCTION devices_site_org_path();
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0001_initial"), ("changes", "0002_bump"), ("orgs", "0001_initial")]
    operations = [
        migrations.RunSQL(FORWARD, BACKWARD),
        *[bump_on_change(f"devices_{table}", "registry") for table in TABLES],
    ]
