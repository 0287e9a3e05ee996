"""The checker of hand derivations: reader, exact comparison, diagnosis, report."""
