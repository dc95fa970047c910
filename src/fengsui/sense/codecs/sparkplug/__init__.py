"""MQTT Sparkplug B 3.0: payloads in, samples out; who is alive, and what every alias stands for.

``wire`` the protobuf messages · ``payload`` payloads with typed values · ``topic`` names of topics · ``session`` the
host application's view of every edge node.  No MQTT here and no clock.  Docs: docs/protocols/sparkplug.md.
"""
