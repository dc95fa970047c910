"""In: requests of screens and other systems, with a session. Out: typed JSON, GeoJSON, CSV, Parquet (OpenAPI).

Must never: decide; an endpoint reads a list or calls one service.  Out of sight is 404.
"""
