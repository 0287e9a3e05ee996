"""The kernel on JAX and PyTorch: the same numbers as NumPy's, and what each engine asks for."""

import importlib.util
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symback as sb
from symback.kernels import KernelError, kernel_source
from symback.kernels.module import ENGINES
from symback.language.functions import ACTIVATIONS, LOSSES

# JAX is in the lock; PyTorch is tested where it happens to be installed.
INSTALLED = [name for name in ENGINES if name == "jax" or importlib.util.find_spec(name)]
each_engine = pytest.mark.parametrize("engine", INSTALLED)
each_backend = pytest.mark.parametrize("backend", list(ENGINES))


@pytest.fixture(autouse=True)
def _jax_knows_float64():
    """JAX computes in float32 unless it is told otherwise; afterwards it is as it was."""
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def of_engine(engine, array):
    """An array of the engine's."""
    if engine == "jax":
        import jax.numpy as jnp

        return jnp.asarray(array)
    import torch

    return torch.tensor(array)


def as_numpy(array):
    return np.asarray(array)


def network(activation="sigmoid", output="softmax", loss="cross_entropy", **words):
    return sb.Network(4, [(5, activation), (3, output)], loss=loss, **words)


def numbers(net, samples, dtype="float64", seed=0):
    """Parameters, x and y of a network, drawn; y is a distribution, so that every loss takes it."""
    draw = np.random.default_rng(seed)
    shape = () if samples is None else (samples,)
    parameters = {
        v.name: draw.normal(size=tuple(map(int, v.shape))).astype(dtype)
        for v in net.graph.variables
        if v.name[0] in "Wb"
    }
    x = draw.normal(size=(*shape, 4)).astype(dtype)
    y = draw.dirichlet(np.ones(3), size=shape or None).astype(dtype)
    return parameters, x, y


def both(net, engine, given):
    """Loss and gradients by NumPy and by the engine, as NumPy's arrays."""
    parameters, x, y = given
    expected = net.kernel("array")(parameters, x, y)
    theirs = {name: of_engine(engine, array) for name, array in parameters.items()}
    loss, gradients = net.kernel(backend=engine)(theirs, of_engine(engine, x), of_engine(engine, y))
    return expected, (as_numpy(loss), {name: as_numpy(g) for name, g in gradients.items()})


def assert_same(expected, found, digits):
    (loss, gradients), (own_loss, own) = expected, found
    np.testing.assert_allclose(own_loss, loss, rtol=digits)
    assert own.keys() == gradients.keys()
    scale = max(np.abs(gradient).max() for gradient in gradients.values())
    for name, gradient in gradients.items():
        assert own[name].shape == gradient.shape, name
        assert own[name].dtype == gradient.dtype, name
        np.testing.assert_allclose(own[name], gradient, rtol=digits, atol=digits * scale)


# ------------------------------------------------------------------------------- the same numbers

PROBABILITIES = ("cross_entropy", "binary_cross_entropy")
OUTPUTS = [
    (output, loss)
    for output, loss in itertools.product(("linear", "sigmoid", "softmax", "tanh"), LOSSES)
    if loss not in PROBABILITIES or output in ("sigmoid", "softmax")
]


@each_engine
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_numpy_s(engine, activation):
    """Hidden layers of every activation of the catalogue give NumPy's loss and gradients."""
    net = network(activation)
    assert_same(*both(net, engine, numbers(net, 6)), 1e-11)


@each_engine
@pytest.mark.parametrize(("output", "loss"), OUTPUTS, ids="-".join)
def test_every_output_and_loss_is_numpy_s(engine, output, loss):
    """Every loss of the catalogue, after outputs that it can be taken of."""
    net = network("tanh", output, loss)
    assert_same(*both(net, engine, numbers(net, 6)), 1e-11)


@each_engine
@pytest.mark.parametrize("bias", ["per_neuron", "per_layer", "none"])
@pytest.mark.parametrize("over_samples", ["mean", "sum"])
def test_biases_and_reductions_are_numpy_s(engine, bias, over_samples):
    """Biases of each kind, and a mean or a sum over the samples."""
    net = network(bias=bias, over_samples=over_samples)
    assert_same(*both(net, engine, numbers(net, 6)), 1e-12)


@each_engine
def test_a_formula_of_the_user_s_is_numpy_s(engine):
    """An activation by a formula is written in the engine's words too."""
    own = sb.Activation("own", "max(z, 0.1*z) + atan(z)/(1 + abs(z)) + where(z > 1, z**2, z)")
    net = sb.Network(4, [(5, own), (3, "linear")], loss="huber")
    assert_same(*both(net, engine, numbers(net, 6)), 1e-12)


@each_engine
@pytest.mark.parametrize("samples", [None, 1, 7])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_sample_or_many_in_the_type_of_the_parameters(engine, samples, dtype):
    """A vector, a batch of one and of seven; float32 stays float32."""
    net = network()
    given = numbers(net, samples, dtype)
    assert_same(*both(net, engine, given), 1e-5 if dtype == "float32" else 1e-12)
    parameters, x, _ = given
    theirs = {name: of_engine(engine, array) for name, array in parameters.items()}
    yhat = as_numpy(net.kernel(backend=engine).forward(theirs, of_engine(engine, x)))
    expected = net.kernel("array").forward(parameters, x)
    assert yhat.shape == expected.shape
    assert yhat.dtype == dtype
    np.testing.assert_allclose(yhat, expected, rtol=1e-5 if dtype == "float32" else 1e-12)


@each_engine
def test_symbolic_widths_are_taken_from_the_arrays(engine):
    """A network of symbolic widths has one kernel for all widths."""
    net = sb.Network("n_0", [("n_1", "sigmoid"), ("n_2", "softmax")], loss="cross_entropy")
    assert_same(*both(net, engine, numbers(network(), 6)), 1e-12)


@each_engine
@pytest.mark.parametrize("scale", [1, 30, 100, 350])
def test_no_component_loses_its_digits(engine, scale):
    """At logits of ± 350 each component of ∂L/∂b is NumPy's to 12 digits, however small it is."""
    net = sb.Network(2, [(2, "linear"), (4, "softmax")], loss="cross_entropy")
    draw = np.random.default_rng(scale)
    parameters, x = {"W1": np.eye(2), "b1": np.zeros(2), "W2": np.zeros((4, 2))}, np.ones(2)
    for label in range(4):
        parameters["b2"] = draw.uniform(-scale, scale, 4)
        (_, expected), (_, found) = both(net, engine, (parameters, x, np.eye(4)[label]))
        assert (expected["b2"] != 0).all()
        np.testing.assert_allclose(found["b2"], expected["b2"], rtol=2e-13)


@each_engine
def test_saturated_sigmoids_have_their_slope(engine):
    """σ' at ± 600 is e^-600 and not 0, and nothing overflows at ± 1e5."""
    net = sb.Network(1, [(6, "sigmoid"), (1, "linear")], loss="output")
    parameters = {"W1": np.zeros((6, 1)), "b2": np.zeros(1), "W2": np.ones((1, 6))}
    parameters["b1"] = np.array([-600.0, 600.0, 40.0, 0.0, -1e5, 1e5])
    given = (parameters, np.ones(1), np.zeros(1))
    (_, expected), (_, found) = both(net, engine, given)
    assert (expected["b1"][:4] > 0).all()
    np.testing.assert_allclose(found["b1"], expected["b1"], rtol=2e-13, atol=1e-307)


# ----------------------------------------------------------------------------------------- JAX


def jax_numbers(net, samples=6):
    import jax.numpy as jnp

    parameters, x, y = numbers(net, samples)
    return {name: jnp.asarray(a) for name, a in parameters.items()}, jnp.asarray(x), jnp.asarray(y)


@pytest.mark.parametrize("activation", ["sigmoid", "tanh", "gelu", "softplus", "elu", "softmax"])
@pytest.mark.parametrize(
    ("output", "loss"),
    [("softmax", "cross_entropy"), ("sigmoid", "binary_cross_entropy"), ("linear", "huber")],
)
def test_derived_gradients_are_those_of_automatic_differentiation(activation, output, loss):
    """JAX differentiates the kernel's own loss and comes to the kernel's own gradients."""
    import jax

    net = network(activation, output, loss)
    parameters, x, y = jax_numbers(net)
    function = net.kernel(backend="jax").function
    by_jax = jax.grad(lambda theta: function(theta, x, y)[0])(parameters)
    _, gradients = function(parameters, x, y)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, by_jax[name], rtol=1e-9, atol=1e-12)


def test_jit_and_vmap_go_through():
    """Compiled as a whole, and over a stack of parameters, the numbers are the same."""
    import jax
    import jax.numpy as jnp

    net = network()
    parameters, x, y = jax_numbers(net)
    kernel = net.kernel(backend="jax")
    loss, gradients = kernel(parameters, x, y)
    for call in (jax.jit(kernel.function), jax.jit(kernel)):
        compiled_loss, compiled = call(parameters, x, y)
        np.testing.assert_allclose(compiled_loss, loss, rtol=1e-13)
        for name, gradient in gradients.items():
            np.testing.assert_allclose(compiled[name], gradient, rtol=1e-11, atol=1e-14)
    stack = {name: jnp.stack([array, 2 * array]) for name, array in parameters.items()}
    losses, _ = jax.vmap(kernel.function, in_axes=(0, None, None))(stack, x, y)
    np.testing.assert_allclose(losses[0], loss, rtol=1e-13)


SHARDED = """
import jax, jax.numpy as jnp, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
import kernel
draw = np.random.default_rng(0)
theta = {name: jnp.asarray(draw.normal(size=shape)) for name, shape in kernel.SHAPES.items()}
x, y = draw.normal(size=(8, 4)), np.eye(3)[draw.integers(3, size=8)]
mesh = Mesh(np.array(jax.devices()), ("samples",))
assert mesh.size == 2
rows = NamedSharding(mesh, P("samples"))
run = jax.jit(kernel.loss_and_gradients)
alone = run(theta, jnp.asarray(x), jnp.asarray(y))
spread = run(theta, jax.device_put(x, rows), jax.device_put(y, rows))
for one, other in zip(jax.tree.leaves(alone), jax.tree.leaves(spread)):
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
import sys
assert "symback" not in sys.modules and "sympy" not in sys.modules
print("the same")
"""


def test_samples_may_be_spread_over_devices(tmp_path):
    """The saved source, without symback, under jax.jit with the batch on two devices."""
    (tmp_path / "kernel.py").write_text(network().kernel(backend="jax").source)
    (tmp_path / "run.py").write_text(SHARDED)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    done = subprocess.run(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout == "the same\n"


# ------------------------------------------------------------------------------------ words, errors


@each_backend
def test_source_imports_one_engine(backend):
    """The module imports its engine, and Python's own math at most."""
    source = network("gelu").kernel(backend=backend).source if backend in INSTALLED else ""
    source = source or kernel_source(network("gelu").spec, backend=backend)[0]
    imports = {
        line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith("import ")
    }
    assert imports <= {backend, "math"}
    assert "np." not in source.replace("jnp.", "")


@each_engine
def test_every_word_is_one_of_the_engine_s(engine):
    """Each function that the spelling names is there."""
    import jax.scipy.special

    modules = {"jnp": jax.numpy, "jax": jax}
    if engine == "torch":
        import torch

        modules["torch"] = torch
    spelling, prefix = ENGINES[engine].spelling, "|".join(modules)
    words = (*spelling.functions.values(), *spelling.words.values(), spelling.choice)
    names = re.findall(rf"\b(?:{prefix})(?:\.[a-z]\w*)+", " ".join(words))
    assert len(names) > len(ACTIVATIONS)
    for name in names:
        found = modules[name.split(".")[0]]
        for part in name.split(".")[1:]:
            found = getattr(found, part)


@each_engine
def test_wrong_arguments_are_one_clear_error(engine):
    """Shapes and types are compared before anything is computed, in words that name both."""
    net = network()
    parameters, x, y = numbers(net, 6)
    parameters = {name: of_engine(engine, a) for name, a in parameters.items()}
    kernel, x, y = net.kernel(backend=engine), of_engine(engine, x), of_engine(engine, y)
    with pytest.raises(KernelError, match=r"x has shape \(6, 3\); expected \(4,\) for one sample"):
        kernel(parameters, x[:, :3], y)
    with pytest.raises(KernelError, match=r"x has 6 samples, shape \(6, 4\), and y 5, \(5, 3\)"):
        kernel(parameters, x, y[:5])
    with pytest.raises(KernelError, match=r"W1 has shape \(4, 5\); expected \(5, 4\)"):
        kernel(parameters | {"W1": parameters["W1"].T}, x, y)
    with pytest.raises(KernelError, match=r"x holds .*int.*; expected floating-point numbers"):
        kernel(parameters, of_engine(engine, np.ones((6, 4), int)), y)
    with pytest.raises(KernelError, match="params: W1, b1, W2 given; expected W1, b1, W2, b2"):
        kernel({name: parameters[name] for name in ("W1", "b1", "W2")}, x, y)


@each_engine
def test_arguments_are_not_changed(engine):
    """What a kernel computes in place is its own."""
    net = network()
    parameters, x, y = numbers(net, 6)
    given = {"x": x, "y": y} | parameters
    theirs = {name: of_engine(engine, array) for name, array in given.items()}
    kernel = net.kernel(backend=engine)
    kernel({name: theirs[name] for name in parameters}, theirs["x"], theirs["y"])
    assert all((as_numpy(theirs[name]) == array).all() for name, array in given.items())


@each_backend
def test_an_engine_that_is_missing_says_how_to_install_it(backend, monkeypatch):
    """Without the package, one message with the command; its source can be had all the same."""
    monkeypatch.setitem(sys.modules, backend, None)
    net = sb.Network(2, [(2, "relu")], loss="squared_error")
    with pytest.raises(KernelError, match=rf"not installed: pip install 'symback\[{backend}\]'"):
        net.kernel(backend=backend)
    assert f"import {backend}" in net.kernel_source(backend=backend)


def test_unknown_backends_and_styles():
    """The nearest word is named; scalar code is NumPy's alone."""
    net = network()
    with pytest.raises(KernelError, match="backend 'jaxx': expected numpy or jax or torch"):
        net.kernel(backend="jaxx")
    with pytest.raises(KernelError, match="style 'scalar' is for backend 'numpy'"):
        net.kernel("scalar", backend="torch")


@each_backend
def test_command_writes_the_module(backend, tmp_path):
    """``symback kernel NET --backend jax -o FILE.py`` needs no engine to write for one."""
    net = Path(__file__).parents[1] / "examples" / "s5.toml"
    target = tmp_path / "out.py"
    script = (
        f"import sys; sys.modules[{backend!r}] = None\n"
        "from symback.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "kernel", net, "--backend", backend, "-o", target],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    compile(target.read_text(), "out.py", "exec")
    assert target.read_text() == sb.load(net).kernel_source(backend=backend)


if "torch" in INSTALLED:

    def test_torch_keeps_no_graph_and_follows_its_inputs():
        """Parameters that ask for gradients get none recorded; a half type stays what it is."""
        import torch

        net = network()
        parameters, x, y = numbers(net, 6)
        theirs = {name: torch.tensor(a, requires_grad=True) for name, a in parameters.items()}
        loss, gradients = net.kernel(backend="torch")(theirs, torch.tensor(x), torch.tensor(y))
        assert not loss.requires_grad
        assert not any(gradient.requires_grad for gradient in gradients.values())
        coarse = {name: torch.tensor(a).bfloat16() for name, a in parameters.items()}
        _, gradients = net.kernel(backend="torch")(coarse, torch.tensor(x), torch.tensor(y))
        assert {gradient.dtype for gradient in gradients.values()} == {torch.bfloat16}

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_derived_gradients_are_autograd_s(dtype):
        """PyTorch's own functions, differentiated by PyTorch, have the kernel's gradients."""
        import torch

        net = network("tanh")
        parameters, x, y = numbers(net, 6, dtype)
        theirs = {name: torch.tensor(a, requires_grad=True) for name, a in parameters.items()}
        x, y = torch.tensor(x), torch.tensor(y)
        h = torch.tanh(x @ theirs["W1"].T + theirs["b1"])
        z = h @ theirs["W2"].T + theirs["b2"]
        by_torch = torch.autograd.grad(
            torch.nn.functional.cross_entropy(z, y), list(theirs.values())
        )
        _, gradients = net.kernel(backend="torch")(theirs, x, y)
        for gradient, other in zip(gradients.values(), by_torch, strict=True):
            assert gradient.dtype == other.dtype
            digits = 1e-5 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(gradient, other, rtol=digits, atol=digits)
