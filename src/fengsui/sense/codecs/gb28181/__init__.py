"""GB/T 28181-2016 and -2022 (video surveillance networking): bytes in, messages out, and back.

``sip`` messages of RFC 3261 as the standard uses them · ``manscdp`` their XML bodies · ``sdp`` with the lines
``y=`` and ``f=`` · ``ptz`` the eight bytes that move a camera · ``digest`` who a device is · ``codes`` the 20 digits ·
``explain`` a message for people, and what it measured.  The pictures themselves are in ``codecs/media``.

Docs: docs/protocols/gb28181.md.
"""
