"""Methods on data sets with several seeds: trained on a fair budget, measured alike, timed side by side.

plan.py        what is to be run: cells of data set, method and seed, and the tables they fill
variants.py    ablations of EAR, and which of them share a trained run
study.py       runs the plan, each cell in a process of its own
child.py       both ends of such a process
cell.py        one cell: train, measure, count
clock.py       seconds of training across interruptions, and peak memory
throughput.py  images a second, all methods in turn
aggregate.py   mean and spread over the seeds
tables.py      Markdown
plots.py       PNG
"""
