"""Benchmark of methods on data sets with several seeds: equal budget, same measurements, timed side by side.

plan.py        what to run: cells of data set, method and seed, and the tables made from them
variants.py    ablations of EAR, and which of them share a trained run
study.py       runs the plan, each cell in a separate process
child.py       parent and child side of such a process
cell.py        one cell: train, measure, count
clock.py       training time across interruptions, and peak memory
throughput.py  images per second, with the methods taking turns
aggregate.py   mean and standard deviation over the seeds
tables.py      Markdown
plots.py       PNG
"""
