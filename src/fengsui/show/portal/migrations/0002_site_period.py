"""The table SitePeriod and the triggers that keep it."""

import django.db.models.deletion
from django.db import migrations, models

KEEP = """
    INSERT INTO portal_siteperiod (site_id, period_ms, datastreams)
    SELECT site_id, min(period_ms), count(*) FROM devices_datastream
    WHERE is_active AND site_id = ANY (sites) GROUP BY site_id ORDER BY site_id
    ON CONFLICT (site_id) DO UPDATE SET period_ms = excluded.period_ms, datastreams = excluded.datastreams
    WHERE (portal_siteperiod.period_ms, portal_siteperiod.datastreams)
          IS DISTINCT FROM (excluded.period_ms, excluded.datastreams);
    DELETE FROM portal_siteperiod p WHERE p.site_id = ANY (sites)
    AND NOT EXISTS (SELECT FROM devices_datastream d WHERE d.site_id = p.site_id AND d.is_active);
    RETURN NULL;
"""

FORWARD = f"""
CREATE FUNCTION portal_periods_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE sites int[] := ARRAY(SELECT DISTINCT site_id FROM changed ORDER BY site_id);
BEGIN {KEEP} END $$;

CREATE FUNCTION portal_periods_updated() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE sites int[] := ARRAY(SELECT site_id FROM before UNION SELECT site_id FROM after ORDER BY 1);
BEGIN {KEEP} END $$;

CREATE TRIGGER period_added AFTER INSERT ON devices_datastream
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION portal_periods_changed();
CREATE TRIGGER period_removed AFTER DELETE ON devices_datastream
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION portal_periods_changed();
CREATE TRIGGER period_changed AFTER UPDATE ON devices_datastream
    REFERENCING OLD TABLE AS before NEW TABLE AS after
    FOR EACH STATEMENT EXECUTE FUNCTION portal_periods_updated();

INSERT INTO portal_siteperiod (site_id, period_ms, datastreams)
SELECT site_id, min(period_ms), count(*) FROM devices_datastream WHERE is_active GROUP BY site_id;
"""

BACKWARD = """
DROP TRIGGER period_added ON devices_datastream;
DROP TRIGGER period_removed ON devices_datastream;
DROP TRIGGER period_changed ON devices_datastream;
DROP FUNCTION portal_periods_changed();
DROP FUNCTION portal_periods_updated();
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0002_triggers"), ("portal", "0001_lists_and_search")]

    operations = [
        migrations.CreateModel(
            name="SitePeriod",
            fields=[
                (
                    "site",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="period",
                        serialize=False,
                        to="devices.site",
                    ),
                ),
                ("period_ms", models.PositiveIntegerField()),
                ("datastreams", models.PositiveIntegerField()),
            ],
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
