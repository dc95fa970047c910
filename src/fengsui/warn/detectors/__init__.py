"""In: columns of readings, and what was normal before. Out: how far from normal they are, and whose doing it is.

Must never: read a clock, a file or a database, look at the answer of a test, judge a value that is missing.

``charts`` one datastream (EWMA, CUSUM) · ``components`` a unit of many (PCA: T² and Q) · ``monitor`` a unit, watched
for leaps, shifts and spread · ``forecast`` one datastream with a daily and weekly course, learnt as it runs ·
``truth`` whether an instrument tells the truth · ``metrics`` how public benchmarks score a detector.
"""
