"""Whether what people ask and choose has moved: the last days of the event log against those before them.

Every figure compares shares (or a probability) of two windows, with an interval over people, as searches of one person
are alike: certainly beyond its threshold, it has drifted; certainly within, it is steady; else there is too little to
say. No library of drift is used: those that are kept well (Evidently, Alibi Detect, NannyML) bring plotting and web
servers along, and their tests, like SciPy's, take rows for independent, which a log of busy people is not.
"""
