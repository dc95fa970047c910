"""In: a supplier's device on a socket. Out: a signed report of what it does right and wrong.

Must never: put a reading on the bus, or judge by anything but what the device sent.

``case`` what a case is made of · ``session`` walks the cases over sockets · one module a protocol with its script ·
``scripts`` all of them by name · ``report`` the signed JSON.  Docs: docs/conformance.md.
"""
