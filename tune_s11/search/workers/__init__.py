"""Ray's workers: started or joined, checked, timed, and given parts of a stage to run."""
