"""Moving pictures as they travel: packets, program streams and frames in, fragments for a browser out.

``rtp`` packets in order (RFC 3550, RFC 4571) · ``ps`` program streams (ISO/IEC 13818-1) · ``nal`` units of H.264 and
H.265 · ``fmp4`` fragments (ISO/IEC 14496-12, -15).  Nothing here decodes a picture: frames are cut, dated and wrapped.
"""
