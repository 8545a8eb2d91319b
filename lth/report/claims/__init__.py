"""A paper's claims, judged on what was measured. Claims are data: an estimator's name, its arguments, and bounds.

A claims file (TOML, `files`) names its experiment, data and model. The evidence (`evidence`) is what the jobs of that
experiment have written. An estimator (`estimators`) computes values from the evidence, one for each level and unit. The
judge (`judge`) alone turns values into intervals, verdicts and notes; `show` writes them. No expression is evaluated,
and no measured number is written by hand.
"""
