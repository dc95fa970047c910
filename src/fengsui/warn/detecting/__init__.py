"""In: normal operation from history, readings as they come. Out: trained versions, explained alarms, truth scores.

Must never: judge (that is ``warn.detectors``), say twice of one row, use a version whose checksum does not fit.
"""
