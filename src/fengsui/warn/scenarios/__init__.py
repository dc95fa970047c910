"""In: scenario rules 情景规则 as people write them, and the library of ready ones. Out: what the pipeline evaluates.

Must never: put an expression in force that was not checked; change a rule without saying who, when and why.
"""
