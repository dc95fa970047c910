"""What the tests of streaming codecs share: a stream that arrives in pieces."""

import itertools


def cut(data, places):
    """``data`` cut at ``places`` (any integers)."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


def fed(feed, pieces):
    """Frames, refusals and the rest of a stream that arrives in ``pieces``."""
    found, refused, rest = [], [], b""
    for piece in pieces:
        more, bad, rest = feed(rest + piece)
        found += more
        refused += bad
    return found, refused, rest
