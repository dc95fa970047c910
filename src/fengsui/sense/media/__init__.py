"""In: files that devices send (pictures, sounds, videos), what they say of them.  Out: files at rest, their rows.

Must never: believe a claimed type, lose a file after saying that it is kept, show one to whoever may not see it.
"""
