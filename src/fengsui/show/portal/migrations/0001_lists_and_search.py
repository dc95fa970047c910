"""What the lists, the map and search need of the database: text cutting and indexes.  No tables of our own."""

from django.db import migrations

# Bodies are bound when they are made (RETURN …), or use built-in functions only: ANALYZE and a restore run with an
# empty search_path.
FUNCTIONS = r"""
CREATE FUNCTION fengsui_searched(code text, name text, name_en text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN lower(normalize(code || E'\n' || name || E'\n' || name_en, NFKC));

CREATE FUNCTION fengsui_cut(t text) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    chars text[] := regexp_split_to_array(t, '');
    n int := coalesce(array_length(chars, 1), 0);
    out text[] := '{}';
    a text; b text; c text;
BEGIN
    FOR i IN 1 .. n - 1 LOOP
        a := chars[i]; b := chars[i + 1];
        CONTINUE WHEN a = E'\n' OR b = E'\n';
        IF octet_length(a) > 1 OR octet_length(b) > 1 THEN
            out := out || (a || b);
        ELSIF i + 2 <= n THEN
            c := chars[i + 2];
            IF octet_length(c) = 1 AND c <> E'\n' THEN
                out := out || (a || b || c);
            END IF;
        END IF;
    END LOOP;
    RETURN out;
END $$;

CREATE FUNCTION fengsui_grams(code text, name text, name_en text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN fengsui_cut(fengsui_searched(code, name, name_en));
"""

DROP_FUNCTIONS = """
DROP FUNCTION fengsui_grams(text, text, text);
DROP FUNCTION fengsui_cut(text);
DROP FUNCTION fengsui_searched(text, text, text);
"""

INDEXES = {
    "site_grams": "devices_site USING gin (fengsui_grams(code, name, name_en))",
    "datastream_grams": "devices_datastream USING gin (fengsui_grams(code, name, name_en))",
    "org_grams": "orgs_org USING gin (fengsui_grams(code, name, name_en))",
    "site_path": "devices_site (org_path varchar_pattern_ops, code)",
    "site_place": "devices_site (longitude, latitude)",
    "alarm_site_standing": "alarms_alarm (site_id, priority, shelved_until, is_suppressed)"
    " WHERE cleared_at IS NULL OR acked_at IS NULL",
    "alarm_path": "alarms_alarm (org_path varchar_pattern_ops, raised_at DESC)",
}


class Migration(migrations.Migration):
    dependencies = [
        ("devices", "0001_initial"),
        ("orgs", "0001_initial"),
        ("alarms", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(FUNCTIONS, DROP_FUNCTIONS),
        *(
            migrations.RunSQL(f"CREATE INDEX {name} ON {what}", f"DROP INDEX {name}")
            for name, what in INDEXES.items()
        ),
    ]
