"""The counter "slots" moves with what a pipeline keeps of the registry: not with names, devices, things or sensors."""

from django.db import migrations

FORWARD = """
CREATE TRIGGER changes_slots AFTER INSERT OR DELETE OR TRUNCATE
    OR UPDATE OF site_id, range_min, range_max, frozen_after_ms, stopped_at, is_active ON devices_datastream
    FOR EACH STATEMENT EXECUTE FUNCTION changes_bump('slots');
CREATE TRIGGER changes_slots AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF org_id, org_path ON devices_site
    FOR EACH STATEMENT EXECUTE FUNCTION changes_bump('slots');
"""

BACKWARD = """
DROP TRIGGER changes_slots ON devices_site;
DROP TRIGGER changes_slots ON devices_datastream;
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0002_triggers"), ("changes", "0002_bump")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
