"""From a network file to equations, local derivatives, the backward pass and its matrix form."""
