"""More of the same: the one site of a loaded pack, many times, by the database itself.  For measurements at size."""

import hashlib

import psycopg

from fengsui.run.scratch import Scratch

SECRET = "measured-not-guarded"  # noqa: S105 — of devices that exist for a measurement only

TABLES = """
INSERT INTO devices_site SELECT r.* FROM generate_series(%(first)s, %(last)s) n, devices_site s,
    jsonb_populate_record(s, jsonb_build_object('id', s.id + n, 'code', 's' || lpad(n::text, 4, '0'),
        'longitude', 110.4 + n * 0.618034 %% 1 * 1.6, 'latitude', 30.0 + n * 0.754878 %% 1 * 1.5)) r
    WHERE s.code = 's0000';
INSERT INTO devices_thing SELECT r.* FROM devices_thing t JOIN devices_site s ON s.id = t.site_id AND s.code = 's0000',
    generate_series(%(first)s, %(last)s) n,
    jsonb_populate_record(t, jsonb_build_object('id', t.id + n, 'site_id', t.site_id + n)) r;
INSERT INTO devices_datastream SELECT r.* FROM devices_datastream d
    JOIN devices_site s ON s.id = d.site_id AND s.code = 's0000', generate_series(%(first)s, %(last)s) n,
    jsonb_populate_record(d, jsonb_build_object('id', d.id + n * %(each)s, 'site_id', d.site_id + n,
        'thing_id', d.thing_id + n)) r;
DELETE FROM devices_device WHERE code <> 's0000-gw';
INSERT INTO devices_device (code, name, secret_sha256, is_active, created_at, site_id)
    SELECT code || '-gw', '', %(secret)s, true, now(), id FROM devices_site WHERE code <> 's0000';
UPDATE devices_device SET secret_sha256 = %(secret)s;
INSERT INTO alarms_rule SELECT r.* FROM alarms_rule a, devices_datastream d,
    jsonb_populate_record(a, jsonb_build_object('id', a.id + d.id, 'datastream_id', d.id)) r
    WHERE a.datastream_id <> d.id;
"""


def fill(made: Scratch, sites: int, each: int) -> None:
    """``sites`` sites s0000 … of ``each`` datastreams with a high alarm each, out of a pack of one such site.

    Every device has SECRET.  The rows are there when this returns; the roles follow within seconds.
    """
    secret = (made.home / "secrets" / "database").read_text().strip()
    url = f"postgresql://fengsui:{secret}@127.0.0.1:{made.env['FENGSUI_DATABASE_PORT']}/fengsui"
    given = {
        "first": 1, "last": sites - 1, "each": each, "secret": hashlib.sha256(SECRET.encode()).hexdigest(),
    }  # fmt: skip
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(TABLES, given)
        for table in ("devices_site", "devices_thing", "devices_datastream", "devices_device", "alarms_rule"):
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"  # noqa: S608
            )
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
