"""In: what video devices say of themselves. Out: cameras as Things of a site, with datastreams, events and a state.

Must never: open a socket, or show a picture to whoever may not see it.
"""
