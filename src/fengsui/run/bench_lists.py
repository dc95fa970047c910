# ruff: noqa: S608, E501 — statements are constants
"""A province in a scratch database, for ``fengsui bench lists``: fill it, and log somebody in.

Run as a module by the bench, with the environment of a scratch FENGSUI_HOME: prints the session keys of an officer of
the whole province and of one enterprise.  It refuses a database that already has sites.
"""

import json
import sys

SITES, DATASTREAMS_EACH, ENTERPRISES, ALARMS, STANDING = 50_000, 3, 5_000, 300_000, 3_000

WORDS = """
CREATE FUNCTION pg_temp.pick(words text[], n bigint) RETURNS text LANGUAGE sql IMMUTABLE
RETURN words[1 + (n % array_length(words, 1))::int];
"""

# ids are given by hand, so that every table follows from numbers; the sequences are moved on at the end
FILL = f"""
INSERT INTO orgs_org (id, parent_id, path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
VALUES (1, NULL, '/1/', 0, 'province', 'p', '湖北省', 'Hubei', '420000', '', false);

INSERT INTO orgs_org (id, parent_id, path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
SELECT 10 + c, 1, '/1/' || (10 + c) || '/', 1, 'city', 'c' || c, '城市' || c || '市', 'City ' || c,
       (420100 + 100 * c)::text, '', false
FROM generate_series(0, 16) c;

INSERT INTO orgs_org (id, parent_id, path, depth, kind, code, name, name_en, division_code, uscc, is_demo)
SELECT 1000 + n, 10 + n % 17, '/1/' || (10 + n % 17) || '/' || (1000 + n) || '/', 2, 'enterprise', 'e' || n,
       pg_temp.pick(ARRAY['东山','兴发','宜化','三宁','楚源','华强','中天','长江','清江','荆门'], n)
       || pg_temp.pick(ARRAY['化工','能源','材料','水务','仓储','燃气','矿业'], n / 10) || '有限公司' || n,
       'Enterprise ' || n, '', '', false
FROM generate_series(0, {ENTERPRISES - 1}) n;

INSERT INTO devices_observedproperty (id, code, name, name_en, definition, description)
VALUES (1, 'pressure', '压力', 'Pressure', '', ''), (2, 'level', '液位', 'Level', '', ''), (3, 'temperature', '温度', 'Temperature', '', '');

INSERT INTO devices_site (id, code, name, name_en, org_id, org_path, kind, longitude, latitude, address, is_demo, is_active)
SELECT n, 'S' || lpad(n::text, 6, '0'),
       pg_temp.pick(ARRAY['东山','兴发','宜化','三宁','楚源','华强','中天','长江','清江','荆门'], n)
       || pg_temp.pick(ARRAY['储罐区','泵站','反应车间','尾矿库','加油站','供水管网','液氨库','装卸台'], n / 7) || n,
       'Site ' || n, o.id, o.path,
       pg_temp.pick(ARRAY['chemical_plant','pump_station','water_network','air_station','other'], n),
       108.3 + 7.8 * (hashint4(n)::bigint + 2147483648) / 4294967296.0,
       29.0 + 4.3 * (hashint4(n + 1000000)::bigint + 2147483648) / 4294967296.0,
       '', false, true
FROM generate_series(1, {SITES}) n JOIN orgs_org o ON o.id = 1000 + n % {ENTERPRISES};

INSERT INTO devices_sitestatus (site_id, last_received_at, last_observed_at)
SELECT id, now() - age, now() - age
FROM (SELECT id, (id % 40) * (id % 40) * interval '1 second' AS age FROM devices_site WHERE id % 11 > 0) s;

INSERT INTO devices_thing (id, site_id, code, name, name_en, description, properties)
SELECT id, id, 'unit', '装置', 'Unit', '', '{{}}' FROM devices_site;

INSERT INTO devices_datastream (id, site_id, thing_id, observed_property_id, code, name, name_en, unit, period_ms,
                                decimals, is_active, stopped_reason)
SELECT (s.id - 1) * {DATASTREAMS_EACH} + k, s.id, s.id, k,
       pg_temp.pick(ARRAY['PT','LT','TT'], k - 1) || '-' || (s.id % 900 + 100),
       pg_temp.pick(ARRAY['反应器','储罐','分离器','换热器','出口管','进水泵'], s.id) || k
       || pg_temp.pick(ARRAY['压力','液位','温度'], k - 1),
       pg_temp.pick(ARRAY['Reactor','Tank','Separator','Exchanger','Outlet','Pump'], s.id) || ' '
       || pg_temp.pick(ARRAY['pressure','level','temperature'], k - 1),
       'kPa', CASE WHEN s.id % 5 = 0 THEN 60000 ELSE 1000 END, 2, true, ''
FROM devices_site s, generate_series(1, {DATASTREAMS_EACH}) k;

INSERT INTO alarms_rule (id, datastream_id, kind, setpoint, deadband, on_delay_ms, off_delay_ms, window_ms, priority,
                         is_enabled, basis, shelved_reason, version)
SELECT id, id, 'h', 8.5, 0.1, 0, 0, 0, 1 + id % 4, true, '', '', 1 FROM devices_datastream;

INSERT INTO alarms_alarm (key, rule_id, rule_version, datastream_id, site_id, org_id, org_path, kind, priority, setpoint,
                          raised_at, raised_value, cleared_at, acked_at, ack_note, is_suppressed, created_at)
SELECT d.id || ':' || n, d.id, 1, d.id, s.id, s.org_id, s.org_path, 'h', 1 + n % 4, 8.5,
       now() - n * interval '30 seconds', 9,
       CASE WHEN n > {STANDING} THEN now() - n * interval '29 seconds' END,
       CASE WHEN n > {STANDING} THEN now() - n * interval '29 seconds' END, '', false, now()
FROM generate_series(1, {ALARMS}) n
JOIN devices_datastream d ON d.id = 1 + (hashint4(n)::bigint + 2147483648) % {SITES * DATASTREAMS_EACH}
JOIN devices_site s ON s.id = d.site_id;

SELECT setval(pg_get_serial_sequence(t, 'id'), 10000000)
FROM unnest(ARRAY['orgs_org','devices_observedproperty','devices_site','devices_thing','devices_datastream','alarms_rule']) t;
"""

TABLES = (
    "orgs_org",
    "devices_site",
    "devices_sitestatus",
    "devices_datastream",
    "alarms_rule",
    "alarms_alarm",
)


def main() -> int:
    from fengsui.run import django_setup

    django_setup.setup()
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM devices_site)")
        if cursor.fetchone()[0]:
            print("bench: this database has sites already; it is not a scratch one", file=sys.stderr)
            return 1
        cursor.execute("SET statement_timeout = 0")
        cursor.execute(WORDS)
        cursor.execute(FILL)
        for table in TABLES:
            cursor.execute(f"VACUUM ANALYZE {table}")
    print(json.dumps({"province": _session("province", 1), "enterprise": _session("enterprise", 1000)}))
    return 0


def _session(name: str, org: int) -> str:
    """A user with the role of duty officer at ``org``, logged in: the key of the session."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from fengsui.people.accounts.models import User
    from fengsui.people.orgs.models import Membership

    user = User.objects.create(username=name)
    Membership.objects.create(user=user, org_id=org, role="duty_officer")
    store = SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[1]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)


if __name__ == "__main__":
    raise SystemExit(main())
