"""The requirement classes of OGC 18-088 that are met; docs/sensorthings.md says by which test each."""

BASE = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
CLASSES = tuple(
    BASE + name
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data",
    )
)
