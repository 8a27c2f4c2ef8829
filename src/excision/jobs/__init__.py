"""Jobs, each in a process of its own: one by one, several at once on this machine, or on a Ray cluster.

child.py   a process that does one job, and what its parent hears of it
pool.py    several jobs at once on this machine
on_ray.py  the same on a Ray cluster
shares.py  how many jobs at once, and with how many threads
"""
