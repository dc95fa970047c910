"""In: requests of other systems in the words of OGC SensorThings 1.1 (18-088).  Out: entities and observations as JSON.

Must never: keep anything of its own.  Entities are the rows of ``sense.devices``, written by its services; observations
are read from the history and written to the bus, through the same checks as every device's.

``odata`` reads addresses and options (pure) · ``model`` entities and properties · ``filters``, ``geometry`` and ``sql``
make conditions of expressions · ``sets`` who sees what · ``reading`` answers GET · ``observations`` the same from the
history · ``writing`` POST, PATCH, PUT, DELETE · ``posting`` observations onto the bus · ``arrays`` DataArray ·
``batches`` $batch · ``updates`` MQTT · ``doors`` who asks · ``views`` HTTP.
"""
