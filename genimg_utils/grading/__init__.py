"""The automatic grader: student code computes in a process of its own, and marks are made outside of it.

`python -m genimg_utils.grading a2 submission.ipynb --seed SECRET --json out.json` grades one notebook, a folder's name
in place of the notebook grades all in it, and `--check submission.ipynb` says beforehand what would be graded.
"""
