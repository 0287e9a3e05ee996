"""What formulas, functions, names and letters are, read and written."""
