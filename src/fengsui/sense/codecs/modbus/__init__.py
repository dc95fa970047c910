"""Modbus: frames of its three transports in, requests and answers out, and what registers are worth.

``pdu`` reads and writes requests and answers · ``framing`` is TCP, RTU and ASCII · ``points`` turns registers into
values.  Docs: docs/protocols/modbus.md.
"""
