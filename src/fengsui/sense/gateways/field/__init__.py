"""In: bytes of field protocols over TCP and UDP.  Out: batches on the bus, then the answers the standards ask for.

Must never: raise on any bytes, answer before what was heard is durable, or keep a connection that gives nothing.

An ``adapter`` says what a protocol does in a conversation and knows no socket; ``listener`` does the sockets for all.
"""
