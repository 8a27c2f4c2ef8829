"""How good the line is: classes of defects, shifts, Pareto tables and control charts."""
