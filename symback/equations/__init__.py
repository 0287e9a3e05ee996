"""Any network: equations in index notation, their derivatives, matrices, kernels and paths."""
