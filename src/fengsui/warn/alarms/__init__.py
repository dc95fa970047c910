"""In: what the engine said, and what people do. Out: alarms with their life, rules with their history.

Must never: make two alarms of one episode; let a rule change without saying who, when and why.
"""
