"""`gm.tune`: a search around default schedules; the search itself needs Optuna."""
