"""The whole house in real processes, while everything around it breaks.

`python -m tests.chaos` starts web, workers, sandbox, receiver and a PostgreSQL of its
own, submits jobs of known fates, plays the people, kills and breaks at random and at
named points, and has the auditor prove from three ledgers that nothing was lost.

house.py    the processes
fates.py    the jobs, and what must become of each
people.py   who submits, decides, cancels, retries
threads.py  how their threads are closed, and what must be left of them
troubles.py what is killed and broken, and when it is over
drama.py    one run, from the first process to the last line
"""
