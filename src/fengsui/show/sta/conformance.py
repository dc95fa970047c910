"""The requirement classes of OGC 18-088 that are met whole; docs/sensorthings.md says by which test each."""

BASE = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
_REQUEST = (
    "order", "status-code", "query-status-code", "expand", "select", "orderby", "top", "skip", "count", "pagination",
    "filter", "built-in-filter-operations", "built-in-query-functions",
)  # fmt: skip
_WRITE = (
    "create-entity", "link-to-existing-entities", "deep-insert", "deep-insert-status-code", "update-entity",
    "update-entity-put", "update-entity-jsonpatch", "delete-entity", "historical-location-auto-creation",
    "historical-location-manual-creation",
)  # fmt: skip
CLASSES = tuple(
    BASE + name
    for name in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        *(f"request-data/{name}" for name in _REQUEST),
        *(f"create-update-delete/{name}" for name in _WRITE),
        "batch-request/batch-request",
        *(f"multi-datastream/{name}" for name in ("properties", "relations", "constraints")),
        "data-array/data-array",
        "create-observations-via-mqtt/observations-creation",
    )
)
