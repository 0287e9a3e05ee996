"""From the matrix form of a backward pass to one function: forward pass, loss, all gradients.

Here one can

* make a kernel of a graph: `kernel` gives a `Kernel`, which is called with parameters and data;
* make one of a single derivative: `element_kernel`;
* make one of a network written as equations: `symback.kernels.programs.system_kernel`;
* read it, or save it: `Kernel.source` is a module that runs with NumPy alone, or with JAX or
  PyTorch alone.

Files: `forms` (functions in forms that keep every digit, proved), `lines` (steps as lines of a
program, for a batch in arrays and for one sample neuron by neuron, and how each engine spells
them), `module` (the module around the lines, and the one place that runs it); for equations
`stable` (forms that keep every digit), `arrays` (definitions as lines over arrays with any number
of axes) and `programs` (the module around those).

Measured on two shared cores, against NumPy by hand that is as accurate: 0.3 times its time on
2-3-2, 1.4 on 4-8-8-3 at B = 32 (some 60 calls of NumPy of 0.7 µs; 3 to 7 µs are the arguments'
checks, 4 a softmax's last digits), 1.05 to 1.2 on 784-128-10 (up to 3 % of it the look for what is
not finite), 1.0 on 784-512-512-10.  `make bench-kernels` measures it anew.  An LSTM of 64 units
over 50 steps, as equations, takes 1.2 times as long (benchmarks/test_equation_kernels.py).
"""

from symback.kernels.forms import Identity
from symback.kernels.lines import NoKernel
from symback.kernels.module import (
    Kernel,
    KernelError,
    element_kernel,
    identities,
    kernel,
    kernel_source,
)

__all__ = [
    "Identity",
    "Kernel",
    "KernelError",
    "NoKernel",
    "element_kernel",
    "identities",
    "kernel",
    "kernel_source",
]
