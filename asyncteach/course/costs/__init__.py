"""`measure_costs()`: child processes that measure, a table, sentences and a figure."""
