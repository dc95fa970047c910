"""A site has a Location of its own that follows it, a Location its FeatureOfInterest, a new thing the site's Location.

By triggers on whole statements: an import writes fifty thousand sites at once, and SQL by hand is held to it too.
"""

from django.db import migrations

POINT = "jsonb_build_object('type', 'Point', 'coordinates', jsonb_build_array(longitude, latitude))"
OF_SITE = f"""SELECT id, name, coalesce(nullif(address, ''), name), 'application/geo+json', '{{}}'::jsonb, {POINT}, true,
    longitude, latitude, longitude, latitude"""
INTO_LOCATION = """INSERT INTO devices_location (site_id, name, description, encoding_type, properties, location, is_site,
    west, south, east, north)"""
INTO_FEATURE = """INSERT INTO devices_featureofinterest (site_id, location_id, name, description, encoding_type, properties,
    feature, west, south, east, north)
    SELECT site_id, id, name, description, encoding_type, properties, location, west, south, east, north"""
# one former location for each thing: the Location of its site
PLACE = """
    INSERT INTO devices_thing_locations (thing_id, location_id)
    SELECT t.id, l.id FROM {things} t JOIN devices_location l ON l.site_id = t.site_id AND l.is_site;
    WITH made AS (
        INSERT INTO devices_historicallocation (thing_id, time) SELECT id, {since} FROM {things} ORDER BY id
        RETURNING id, thing_id
    )
    INSERT INTO devices_historicallocation_locations (historicallocation_id, location_id)
    SELECT m.id, l.id FROM made m JOIN {things} t ON t.id = m.thing_id
    JOIN devices_location l ON l.site_id = t.site_id AND l.is_site;
"""

FORWARD = f"""
{INTO_LOCATION} {OF_SITE} FROM devices_site ORDER BY id;
{INTO_FEATURE} FROM devices_location ORDER BY id;
{PLACE.format(things="devices_thing", since="now()")}

CREATE FUNCTION devices_site_placed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {INTO_LOCATION} {OF_SITE} FROM fresh ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER site_placed AFTER INSERT ON devices_site REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION devices_site_placed();

CREATE FUNCTION devices_site_moved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE devices_location l SET name = s.name, description = coalesce(nullif(s.address, ''), s.name),
        location = {POINT.replace("longitude", "s.longitude").replace("latitude", "s.latitude")},
        west = s.longitude, south = s.latitude, east = s.longitude, north = s.latitude
    FROM fresh s JOIN old o ON o.id = s.id
    WHERE l.site_id = s.id AND l.is_site
        AND (s.name, s.address, s.longitude, s.latitude) IS DISTINCT FROM (o.name, o.address, o.longitude, o.latitude);
    RETURN NULL;
END $$;
CREATE TRIGGER site_moved AFTER UPDATE ON devices_site REFERENCING NEW TABLE AS fresh OLD TABLE AS old
    FOR EACH STATEMENT EXECUTE FUNCTION devices_site_moved();

CREATE FUNCTION devices_location_made() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {INTO_FEATURE} FROM fresh ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER location_made AFTER INSERT ON devices_location REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION devices_location_made();

CREATE FUNCTION devices_location_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE devices_featureofinterest f SET name = l.name, description = l.description, feature = l.location,
        encoding_type = l.encoding_type, west = l.west, south = l.south, east = l.east, north = l.north
    FROM fresh l WHERE f.location_id = l.id;
    RETURN NULL;
END $$;
CREATE TRIGGER location_changed AFTER UPDATE ON devices_location REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION devices_location_changed();

CREATE FUNCTION devices_thing_placed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    {PLACE.format(things="fresh", since="now()")}
    RETURN NULL;
END $$;
CREATE TRIGGER thing_placed AFTER INSERT ON devices_thing REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION devices_thing_placed();
"""

BACKWARD = """
DROP TRIGGER thing_placed ON devices_thing;
DROP TRIGGER location_changed ON devices_location;
DROP TRIGGER location_made ON devices_location;
DROP TRIGGER site_moved ON devices_site;
DROP TRIGGER site_placed ON devices_site;
DROP FUNCTION devices_thing_placed();
DROP FUNCTION devices_location_changed();
DROP FUNCTION devices_location_made();
DROP FUNCTION devices_site_moved();
DROP FUNCTION devices_site_placed();
"""


class Migration(migrations.Migration):
    dependencies = [("devices", "0004_sensorthings")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
