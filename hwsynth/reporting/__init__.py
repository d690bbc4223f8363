"""A design's report as a page: tables, schedules as pictures, one file that needs nothing else."""
