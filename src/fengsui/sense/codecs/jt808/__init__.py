"""JT/T 808 terminals (vehicles, ships, people on the move), 2013 and 2019: bytes in, messages out.

``frame`` cuts frames and writes them · ``message`` reads and writes bodies, from the tables in ``terminal``,
``platform``, ``areas``, ``parameters``, ``video`` and ``safety`` · ``location`` is the position report ·
``parts`` joins subpackages · ``readings`` what a message measured · ``explain`` a frame for people, in the
``words`` of the standard.

Docs: docs/protocols/jt808.md.
"""
