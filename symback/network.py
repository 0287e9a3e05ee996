"""The two objects a Python user holds: a `Network`, and a `Derivation` taken from it.

Every method calls the room that does the work and keeps what it made; nothing is derived twice.

>>> net = Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error")
>>> derivation = net.derive("w_212")
>>> derivation.path_count
2
>>> print(derivation)
∂L/∂w_212 = -2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))·h_12
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from sympy import Expr

from symback import kernels
from symback.engine import derivation as derivations
from symback.engine import spec
from symback.engine.derivation import Deduction
from symback.engine.evaluation import MissingNumbers, as_floats
from symback.engine.matrix import MatrixForm
from symback.engine.spec import EquationsSpec, NetworkSpec, Values
from symback.engine.work import Work
from symback.equations import derivation as equation_derivations
from symback.equations import layers, reading
from symback.equations.adjoints import Backward
from symback.equations.counting import Uncounted
from symback.equations.indexing import bracketed
from symback.equations.indices import number
from symback.equations.matrix import MatrixForm as SystemMatrices
from symback.equations.matrix import lift as lift_system
from symback.equations.naming import plain_name, time_axes
from symback.equations.paths import Paths
from symback.equations.second import mixed
from symback.equations.system import Kind, System
from symback.equations.terms import Read
from symback.equations.work import EquationWork, specified
from symback.kernels import Kernel, NoKernel
from symback.kernels.programs import (
    HessianProduct,
    SystemKernel,
    hessian_kernel,
    system_kernel,
    system_source,
)
from symback.language.errors import SymbackError, did_you_mean, printable
from symback.language.functions import LOSSES, Activation, Loss, SoftMax
from symback.language.names import (
    Reference,
    Role,
    UnknownName,
    UnknownNotation,
    elements,
    notation,
    read_reference,
)
from symback.language.reading import to_text
from symback.language.tables import SpecError
from symback.learning import descent, samples
from symback.learning import equations as descents
from symback.learning.descent import Descent, DescentError, Settings
from symback.learning.equations import Descended
from symback.learning.samples import DataError, Samples
from symback.sheets import chapters, passages, rendering, systems
from symback.sheets.chapters import overview
from symback.sheets.figure import Figure
from symback.sheets.passages import describe
from symback.sheets.unrolled import system_figure

DETAILS = ("brief", "normal", "full")
SQUARED_ERROR = LOSSES["squared_error"]  # for networks cut off, whose loss nobody asks for


class UnknownWord(SymbackError):
    """A form or a level of detail that no sheet has."""


class Network(Work):
    """A network, or a list of equations, and everything that can be derived from it.

    Parameters
    ----------
    inputs
        The number of inputs, or a symbolic one such as ``"n_0"``.
    layers
        For each layer ``(units, activation)``; ``units`` may be symbolic.
    loss
        The name of a loss of the catalogue or of ``losses``.
    bias
        ``"per_neuron"``, ``"per_layer"`` (one scalar a layer) or ``"none"``.
    over_outputs, over_samples
        ``"sum"`` or ``"mean"``.
    values
        Numbers as in ``[values]`` of a network file: x, y or label, W1, b1, …, learning_rate.
        W_k has shape (out, in); x and y have shape (n,) or, for a batch, (samples, n).
    activations, losses
        Functions of one's own by name: a formula, or a ready `Activation` or `Loss`.

    Raises `SpecError` naming the argument, what was given and what was expected.
    """

    def __init__(
        self,
        inputs: int | str,
        layers: Sequence[Any],
        *,
        loss: str,
        bias: str = "per_neuron",
        over_outputs: str = "sum",
        over_samples: str = "mean",
        values: Mapping[str, Any] | None = None,
        activations: Mapping[str, str | Activation | SoftMax] | None = None,
        losses: Mapping[str, str | Loss] | None = None,
        title: str = "",
    ) -> None:
        settings = {"loss": loss, "bias": bias, "title": title}
        settings |= {"over_outputs": over_outputs, "over_samples": over_samples}
        tables = {"values": values, "activations": activations, "losses": losses}
        super().__init__(spec.network(inputs, layers, **settings, **tables))

    @classmethod
    def from_spec(cls, checked: NetworkSpec | EquationsSpec) -> Network:
        """The network of a specification that `symback.engine.spec` has checked."""
        network = cls.__new__(cls)
        Work.__init__(network, checked)
        return network

    def in_notation(self, name: str | Path) -> Network:
        """The same network in the letters of a book: lectures, nielsen, bishop or goodfellow.

        ``name`` may be the path of a TOML file of one's own (`symback.language.names`).  Names
        that are asked for, such as ``w_131``, stay the lectures'.  Raises `UnknownNotation`.

        >>> net = Network(4, [(4, "sigmoid"), (2, "softmax")], loss="squared_error")
        >>> print(net.in_notation("goodfellow").derive("b_21"))
        ∂J/∂b^(2)_1 = -2·ŷ_1·ŷ_2·((y_1 - ŷ_1) - (y_2 - ŷ_2))
        """
        if not isinstance(self.spec, NetworkSpec):
            raise UnknownNotation("the names of [equations] are written as the file says")
        network = Network.from_spec(self.spec)
        one_bias = self.spec.bias == "per_layer"
        network.written = notation(name).lettering(len(self.spec.layers), one_bias=one_bias)
        return network

    # ------------------------------------------------------------------------ what is derived

    def reference(self, name: str) -> Reference:
        """The element called ``name``; raises `UnknownName` with what there is."""
        found = read_reference(name, self.graph.variables)
        if found.variable == self.graph.target:
            raise UnknownName(
                f"{found.name} is what is differentiated; name a quantity it depends on"
            )
        if found.variable not in self.backward.adjoints:
            raise UnknownName(f"{self.graph.target.name} does not depend on {found.name}")
        return found

    @overload
    def derive(self, name: str) -> Derivation: ...

    @overload
    def derive(self, name: str, second: str) -> EquationDerivation: ...

    def derive(self, name: str, second: str = "") -> Derivation | EquationDerivation:
        """The derivation of ∂L/∂name, e.g. ``"w_131"``, ``"b_21"``, ``"h_13"``, ``"x_1"``.

        With a ``second`` name that of ∂²L/∂name ∂second, as equations in index notation: see
        `EquationNetwork.derive`.

        >>> net = Network(1, [(1, "linear")], loss="squared_error", bias="none")
        >>> print(net.derive("w_111", "w_111"))
        ∂G/∂W1_11 = 2·x_1^2
        """
        if second:
            return self.as_equations.derive(*map(self._in_equations, (name, second)))
        return Derivation(self.backward, self.reference(name), self)

    @cached_property
    def as_equations(self) -> EquationNetwork:
        """The same network as equations in index notation, its arrays called W1, b1, a1, h1.

        Of an [equations] file each leaf is a scalar parameter.
        """
        if isinstance(self.spec, NetworkSpec):
            return EquationNetwork(layers.of_spec(self.spec))
        stages = {stage.name: to_text(stage.node) for stage in self.spec.stages}
        leaves = {name: [] for name in self.spec.leaves}
        tables = {"parameters": leaves, "equations": stages, "values": self.spec.given}
        return EquationNetwork(reading.from_tables(tables, self.spec.source))

    def _in_equations(self, name: str) -> str:
        """``W1[1,3]`` for w_113."""
        reference = self.reference(name)
        return bracketed(reference.variable.name, reference.indices)

    def hvp(self, backend: str = "numpy") -> HessianProduct:
        """The Hessian times a vector: ``hvp(params, {"x": x, "y": y}, direction)``, by name.

        One sample, or the batch of [values].  See `EquationNetwork.hvp`.

        >>> net = Network(1, [(1, "linear")], loss="squared_error", bias="none")
        >>> hvp = net.hvp()
        >>> hvp({"W1": [[0.5]]}, {"x": [3.0], "y": [1.0]}, {"W1": [[1.0]]})["W1"].tolist()
        [[18.0]]
        """
        return self.as_equations.hvp(backend)

    def derive_all(self) -> dict[str, Derivation]:
        """The derivations of every weight and bias, by name; they share their adjoints."""
        return {each.name: Derivation(self.backward, each, self) for each in self.parameters()}

    def parameters(self) -> Iterator[Reference]:
        """Every single weight and bias that L depends on; where there are none, every leaf."""
        for variable in self.graph.asked:
            if variable in self.backward.adjoints:
                yield from elements(variable)

    def matrix_form(self) -> MatrixForm:
        """The backward pass in matrix form, certified: name (``"W1"``, ``"a2"``) → its adjoint.

        Values are SymPy matrix expressions of the adjoint, at whatever widths; `MatrixForm.steps`
        is the whole algorithm.  Raises `Uncertified` where a lift is not the index form.

        >>> net = Network("n_0", [("n_1", "sigmoid"), ("n_2", "softmax")], loss="cross_entropy")
        >>> net.matrix_form()["W2"].shape
        (n_2, n_1)
        >>> print(net.matrix_form().text("h1"))
        ∇h_1 = W_2ᵀ ∇a_2
        """
        return self.matrices

    # --------------------------------------------------------------------------- with numbers

    def evaluate(self) -> dict[str, Any]:
        """The forward pass, all gradients and the updated parameters as nested lists of floats.

        The keys are those of ``symback evaluate --json``: loss, forward, gradients, updated
        (empty without a learning rate).  A gradient that has no value here is None.  Raises
        `MissingNumbers`.
        """
        hidden = {variable.name for variable in self.numbers.inputs}
        if isinstance(self.spec, NetworkSpec):
            hidden.add(self.graph.target.name)  # it stands under "loss" already
        forward = {name: as_floats(array) for name, array in self.numbers.forward.items()}
        rate = self.learning_rate
        updated = self.numbers.updated(self.gradients, rate) if rate is not None else {}
        data = {variable.name for variable in self.graph.variables if variable.role is Role.TARGET}
        return {
            "loss": float(self.numbers.loss),
            "forward": {name: value for name, value in forward.items() if name not in hidden},
            "gradients": {
                name: as_floats(array) for name, array in self.gradients.items() if name not in data
            }
            | dict.fromkeys(self.gradients.undefined),
            "updated": {name: as_floats(array) for name, array in updated.items()},
        }

    # -------------------------------------------------------------------------------- a function

    def kernel(self, style: str = "", backend: str = "numpy") -> Kernel:
        """The network as one function: ``kernel(params, x, y)`` → (loss, gradients).

        ``params`` maps W1, b1, … to arrays, W_k of shape (n_k, n_{k-1}); x has shape (n_0,) or
        (B, n_0), y likewise with n_L; gradients have the names and shapes of params.
        ``kernel.forward(params, x)`` is ŷ, ``kernel.source`` a module that runs with NumPy alone.

        ``style`` is ``"scalar"`` (one sample number by number, a batch in arrays) or ``"array"``;
        without it, small networks are scalar; ``kernel.style`` says which it became.

        ``backend`` is ``"numpy"``, ``"jax"`` (pure: goes through `jax.jit`, on however many
        devices) or ``"torch"`` (on the tensors' device); its arrays are the engine's, and its loss
        is an array too.  See `symback.kernels.module`.

        Raises `NoKernel` for an [equations] file, and `KernelError` for another style or backend,
        or where the backend's package is not installed.

        >>> net = Network(2, [(1, "linear")], loss="squared_error", bias="none")
        >>> loss, gradients = net.kernel()({"W1": [[0.5, 1.0]]}, [2.0, 1.0], [3.0])
        >>> loss, gradients["W1"].tolist()
        (1.0, [[-4.0, -2.0]])
        """
        made = self._kernels
        if (style, backend) not in made:
            made[style, backend] = kernels.kernel(self._layered, self._in_words, style, backend)
        return made[style, backend]

    @cached_property
    def _kernels(self) -> dict[tuple[str, str], Kernel]:
        return {}

    def kernel_source(self, style: str = "", backend: str = "numpy") -> str:
        """The source of `kernel`, written without being run: the backend need not be installed."""
        source, _ = kernels.kernel_source(self._layered, self._in_words, style, backend)
        return source

    @property
    def _layered(self) -> NetworkSpec:
        if not isinstance(self.spec, NetworkSpec):
            raise NoKernel("a kernel is made of a network of layers; this file holds [equations]")
        return self.spec

    @property
    def _in_words(self) -> str:
        return rendering.plain(describe(self))

    # -------------------------------------------------------------------------------- learning

    def samples(self, x: Any = None, y: Any = None, *, label: Any = None) -> Samples:
        """Samples to learn from, checked: a file, arrays, or the numbers of the network itself.

        ``x`` is the path of a ``.csv`` or ``.npz`` file (see `symback.learning.samples`), or an
        array (N, n_0) beside ``y`` (N, n_L) or ``label`` (N,), classes from 1; without any of them,
        the x and y of [values].  Raises `DataError`.
        """
        widths = self._trained().widths
        descent.parameter_blocks(self.graph.variables)  # says which width is a symbol
        inputs, outputs = int(widths[0]), int(widths[-1])
        if isinstance(x, (str, Path)):
            return samples.read(x, inputs, outputs)
        if x is None and y is None and label is None:
            given = self.spec.given
            for name in ("x", "y"):
                if given[name] is None:
                    raise DataError(f"no samples are given, and [values] has no {name}")
            x, y = (np.atleast_2d(np.array(given[name], dtype=float)) for name in ("x", "y"))
        return samples.check(x, y, label, inputs=inputs, outputs=outputs)

    def _trained(self) -> NetworkSpec:
        if not isinstance(self.spec, NetworkSpec):
            raise DescentError("descent needs a network of layers; this file holds [equations]")
        return self.spec

    def descend(
        self,
        x: Any = None,
        y: Any = None,
        *,
        label: Any = None,
        epochs: int,
        rate: float | None = None,
        only: str | Sequence[str] = (),
        watch: str | Sequence[str] = (),
        batch_size: int | None = None,
        seed: int = 0,
        parameters: Mapping[str, Any] | None = None,
        checkpoint: str | Path | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> Descent:
        """Gradient descent, θ ← θ - η ∇θ, for so many epochs; see `symback.learning.descent`.

        ``x``, ``y`` and ``label`` as in `samples`; ``rate`` is η, else the file's learning_rate;
        ``only`` names what moves (``"w_111"``, ``"W1"``), ``watch`` what the history keeps;
        ``parameters`` to start from, else the file's, else drawn with ``seed``.  Ctrl-C ends it
        early: the answer is ``interrupted`` and holds what was learned, and `resume` goes on.

        Raises `DescentError`, `DataError`, `UnknownName`, `Diverged`.

        >>> values = {"W1": [[1.0]], "learning_rate": 0.25}
        >>> net = Network(1, [(1, "linear")], loss="squared_error", bias="none", values=values)
        >>> run = net.descend([[1.0]], [[2.0]], epochs=3)
        >>> run.history.loss.tolist()
        [1.0, 0.25, 0.0625, 0.015625]
        >>> run.history.weights["w_111"].tolist()
        [1.0, 1.5, 1.75, 1.875]
        """
        known, found = self._trained(), self.samples(x, y, label=label)
        rate = self.learning_rate if rate is None else rate
        if rate is None:
            raise DescentError(
                "no learning rate: give one (rate=0.5, --rate 0.5), or learning_rate in [values]"
            )
        settings = Settings(
            rate=float(rate),
            only=(only,) if isinstance(only, str) else tuple(only),
            watch=(watch,) if isinstance(watch, str) else tuple(watch),
            batch_size=batch_size,
            seed=seed,
        )
        start = descent.begin(known, self.graph.variables, found, settings, parameters)
        return descent.descend(
            self.kernel(), start, found, epochs, checkpoint=checkpoint, progress=progress
        )

    def resume(
        self,
        start: Descent | str | Path,
        x: Any = None,
        y: Any = None,
        *,
        label: Any = None,
        epochs: int,
        checkpoint: str | Path | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> Descent:
        """Go on from a `Descent` or its checkpoint until ``epochs`` epochs are done in all.

        Settings are those it began with, and so must the samples be; the end is bit for bit that
        of a descent that never stopped.  Raises as `descend` does.
        """
        known, found = self._trained(), self.samples(x, y, label=label)
        if not isinstance(start, Descent):
            start = descent.load_checkpoint(start, self.graph.variables)
        start = descent.resume(start, known, found)
        return descent.descend(
            self.kernel(), start, found, epochs, checkpoint=checkpoint, progress=progress
        )

    def activations(self, parameters: Mapping[str, Any], x: Any) -> dict[str, np.ndarray]:
        """h_1, …, h_{L-1} and ŷ for each row of ``x`` (N, n_0): ``h1`` (N, n_1), …, ``yhat``.

        Each is the output of the network cut off after that layer, by its own kernel.
        """
        return {
            name: np.asarray(kernel.forward({key: parameters[key] for key in needed}, x))
            for name, needed, kernel in self._cut_off
        }

    @cached_property
    def _cut_off(self) -> list[tuple[str, list[str], Kernel]]:
        """For each layer its name, the parameters up to it, and the kernel that ends there."""
        known, found = self._trained(), []
        for k in range(1, len(known.layers) + 1):
            shorter = replace(known, layers=known.layers[:k], values=Values(), loss=SQUARED_ERROR)
            network = Network.from_spec(shorter)
            name = "yhat" if k == len(known.layers) else f"h{k}"
            blocks = descent.parameter_blocks(network.graph.variables)
            found.append((name, [block.name for block in blocks], network.kernel()))
        return found

    # ------------------------------------------------------------------------------ on paper

    def sheet(self, form: str = "html", detail: str = "normal", *, stable: bool = False) -> str:
        """The sheet of the whole network: html, tex, md or txt.

        With ``stable`` it says how a program computes the functions without losing digits.
        """
        _check(form, detail)
        return rendering.render(overview(self, detail, stable=stable), form)

    def figure(self, name: str | None = None) -> Figure:
        """The picture of the network, with the paths from ``name`` to the loss."""
        return passages.figure(self, None if name is None else self.derive(name))

    def __repr__(self) -> str:
        return f"<symback.Network: {rendering.plain(describe(self))}>"

    def _repr_html_(self) -> str:
        return rendering.picture_html(self.figure())


class EquationNetwork(EquationWork):
    """A network as equations in index notation, and everything that can be derived from it.

    `load` and `equations` make one; ``system`` holds its arrays and equations.
    """

    def in_notation(self, name: str | Path) -> EquationNetwork:
        """Refuse: the names of a network of equations are those of its file.

        Raises `UnknownNotation`.
        """
        raise UnknownNotation(
            f"notation {printable(str(name))}: the names of equations are written as the file says"
        )

    def evaluate(self) -> dict[str, Any]:
        """The forward pass, all gradients and the updated parameters as nested lists of floats.

        The keys are those of ``symback evaluate --json``: loss; forward (what is computed);
        gradients by the name of the array, None where one has no value here; updated (empty without
        a learning rate).  Raises `MissingNumbers`.
        """
        numbers, rate = self.numbers, self.learning_rate
        computed = [q.name for q in self.system.quantities if q.kind is Kind.COMPUTED]
        forward = numbers.forward(name for name in computed if name != self.system.target)
        gradients = self.gradients
        updated = numbers.updated(rate) if rate is not None else {}
        return {
            "loss": float(numbers.loss),
            "forward": _as_lists(forward),
            "gradients": _as_lists(gradients) | dict.fromkeys(gradients.undefined),
            "updated": _as_lists(updated),
        }

    def derive(self, name: str, second: str = "") -> EquationDerivation:
        """The derivation of ∂L/∂(one element): ``"U[1,2]"``, ``"U_12"``, ``"h[2]_1"``, ``"b[1]"``.

        With a ``second`` element that of ∂²L/∂name ∂second: a second backward pass, over the
        equations of the adjoints, differentiates G = ∂L/∂second.  Raises `UnknownName`.

        >>> net = equations("L = sum(t, (w[t] - 1)**3)", sizes={"T": 3}, parameters={"w": ["T"]})
        >>> print(net.derive("w[2]"))
        ∂L/∂w_2 = 3·(w_2 - 1)^2
        >>> print(net.derive("w[2]", "w[2]"))
        ∂G/∂w_2 = 6·(w_2 - 1)
        """
        if second:
            return self._differentiated(second).derive(name)
        return EquationDerivation(self.backward, self.element(name), self)

    def _differentiated(self, name: str) -> EquationNetwork:
        """The network whose loss is G = ∂L/∂name."""
        element = self.element(name)
        if element not in self._derivatives:
            twice = mixed(self.backward, element.array, equation_derivations.places(element))
            self._derivatives[element] = EquationNetwork.of(twice)
        return self._derivatives[element]

    @cached_property
    def _derivatives(self) -> dict[Read, EquationNetwork]:
        return {}

    @classmethod
    def of(cls, derived: Backward) -> EquationNetwork:
        """The network of a backward pass that is derived already."""
        network = cls(derived.forward)
        network.backward = derived
        return network

    def sheet(self, form: str = "html") -> str:
        """The whole network as html, tex, md or txt: equations, backward pass, every gradient.

        >>> net = equations("L = sum(i, w[i]**2)", sizes={"n": "n"}, parameters={"w": ["n"]})
        >>> "∂L/∂w_i = 2·w_i" in net.sheet("txt")
        True
        """
        _check(form, "normal")
        return rendering.render(systems.overview(self), form)

    def figure(self) -> Figure | None:
        """The recurrence unrolled, or the graph of the arrays; None where there are too many."""
        return system_figure(self.system)

    def derive_all(self) -> dict[str, EquationDerivation]:
        """The derivations of every element of a parameter, by name; they share their adjoints.

        Raises `MissingNumbers` where a size is symbolic.
        """
        return {bracketed(*each): self.derive(bracketed(*each)) for each in self.parameters()}

    def parameters(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Every element of a parameter that L depends on: its array and its indices.

        Raises `MissingNumbers` where a size is symbolic.
        """
        sizes = self.system.known_sizes
        for quantity in self.system.parameters:
            if quantity.name in self.backward.adjoints:
                if sizes is None:
                    raise MissingNumbers("a size is symbolic: give it a number under [sizes]")
                limits = (range(1, size.value(sizes) + 1) for size in quantity.shape)
                yield from ((quantity.name, at) for at in itertools.product(*limits))

    def kernel(self, style: str = "", backend: str = "numpy") -> SystemKernel:
        """The network as one function: ``kernel(params, inputs)`` → (loss, gradients).

        Both arguments map names to arrays in the shapes of the file; indices count from 1.
        ``backend`` is ``"numpy"``, ``"jax"`` or ``"torch"``.  Raises `NoKernel`, `KernelError`.

        >>> rows = {"sizes": {"n": "n"}, "parameters": {"w": ["n"]}, "inputs": {"x": ["n"]}}
        >>> kernel = equations("L = sum(i, w[i]*x[i])**2", **rows).kernel()
        >>> loss, gradients = kernel({"w": [1.0, 2.0]}, {"x": [3.0, 4.0]})
        >>> float(loss), gradients["w"].tolist()
        (121.0, [66.0, 88.0])
        """
        _check_style(style)
        if backend not in self._kernels:
            self._kernels[backend] = system_kernel(self.backward, self.system.title, backend)
        return self._kernels[backend]

    @cached_property
    def _kernels(self) -> dict[str, SystemKernel]:
        return {}

    def hvp(self, backend: str = "numpy") -> HessianProduct:
        """The function ``(params, inputs, direction)`` → H v, by the names of the parameters.

        H holds the second derivatives of the loss by all parameters, v is ``direction``, shaped as
        params are; the products come from a second backward pass over the adjoints' equations.

        >>> rows = {"sizes": {"n": "n"}, "parameters": {"w": ["n"]}, "inputs": {"x": ["n"]}}
        >>> product = equations("L = sum(i, w[i]*x[i])**2", **rows).hvp()
        >>> found = product({"w": [1.0, 2.0]}, {"x": [3.0, 4.0]}, {"w": [1.0, 0.0]})
        >>> found["w"].tolist()
        [18.0, 24.0]
        """
        if backend not in self._products:
            self._products[backend] = hessian_kernel(self.backward, self.system.title, backend)
        return self._products[backend]

    @cached_property
    def _products(self) -> dict[str, HessianProduct]:
        return {}

    def descend(
        self,
        inputs: Mapping[str, Any] | Callable[[int], Mapping[str, Any]] | None = None,
        *,
        epochs: int,
        rate: float | None = None,
        parameters: Mapping[str, Any] | None = None,
        seed: int = 0,
        callback: Callable[[int, float, Mapping[str, np.ndarray]], None] | None = None,
    ) -> Descended:
        """Gradient descent, θ ← θ - η ∇θ, for so many epochs; see `symback.learning.equations`.

        ``inputs`` are arrays by name, or a function that gives those of an epoch; without them the
        file's.  ``rate`` is η, else the file's learning_rate; ``parameters`` are those to start
        from, else the file's, else drawn with ``seed``.  Raises `DescentError`.

        >>> net = equations("L = (w*x - 2)**2", parameters={"w": []}, inputs={"x": []})
        >>> run = net.descend({"x": 1.0}, parameters={"w": 0.0}, epochs=3, rate=0.25)
        >>> run.loss.tolist(), float(run.parameters["w"])
        ([4.0, 1.0, 0.25, 0.0625], 1.75)
        """
        rate = self.learning_rate if rate is None else rate
        if rate is None:
            raise DescentError(
                "no learning rate: give one (rate=0.5), or learning_rate in [values]"
            )
        data = descents.inputs_of(self.system) if inputs is None else inputs
        start = {**parameters} if parameters else {}
        if any(quantity.name not in start for quantity in self.system.parameters):
            start = descents.drawn(self.system, seed) | start
        return descents.descend(
            self.kernel(), start, data, epochs=epochs, rate=float(rate), callback=callback
        )

    def matrix_form(self) -> SystemMatrices:
        """Both passes over whole arrays, certified: the name of an array → its adjoint.

        Values are SymPy matrix expressions at whatever sizes; where more than two indices meet, an
        index form with einsums; for an array of a recurrence, its lines.  What could not be
        proved is left in indices (`MatrixForm.missing`).

        >>> sizes, rows = {"T": "T", "n": "n", "d": "d"}, {"x": ["T", "d"], "y": ["T", "n"]}
        >>> lines = "a[t,i] = sum(j, W[i,j]*x[t,j]); L = sum(t, sum(i, (a[t,i] - y[t,i])**2))"
        >>> tables = {"sizes": sizes, "parameters": {"W": ["n", "d"]}, "inputs": rows}
        >>> net = equations(lines.replace("; ", chr(10)), **tables)
        >>> print(net.matrix_form().text("W"), net.matrix_form()["W"].shape)
        ∇W = (∇A)ᵀ X (n, d)
        """
        return self._matrices

    @cached_property
    def _matrices(self) -> SystemMatrices:
        form = lift_system(self.backward)
        form.prove()
        return form

    def kernel_source(self, style: str = "", backend: str = "numpy") -> str:
        """The source of `kernel`, written without being run: the backend need not be installed."""
        _check_style(style)
        return system_source(self.backward, self.system.title, backend)

    def __repr__(self) -> str:
        title = f" {self.system.title!r}" if self.system.title else ""
        count = len(self.system.definitions)
        return f"<symback.EquationNetwork{title}: {count} equations, loss {self.system.target}>"


@dataclass(frozen=True, repr=False)
class EquationDerivation(equation_derivations.Derivation):
    """The derivation of ∂L/∂(one element) of a network of equations, and the ways to show it.

    ``general`` are the deductions for every index, ``elements`` those that ``conclusion`` reads,
    ``steps`` the equal right-hand sides of the conclusion, ``expr`` the last one in SymPy's words.
    """

    network: EquationNetwork

    @property
    def target_name(self) -> str:
        """What is differentiated."""
        return self.system.target

    @cached_property
    def paths(self) -> Paths:
        """Every path from the element to the loss, lazily."""
        times = time_axes(self.system)
        return Paths(
            self.network.system,
            (self.element.array, self.place),
            named=lambda name, at: plain_name(Read(name, tuple(map(number, at))), times),
        )

    @property
    def path_count(self) -> Any:
        """How many paths there are, exactly; an expression where sizes are symbolic."""
        return self.paths.count

    def path_names(self, limit: int) -> list[list[str]]:
        """The names along the first ``limit`` paths; none where a size is symbolic."""
        if self.system.known_sizes is None:
            return []
        return [list(path.names) for path in itertools.islice(self.paths, limit)]

    @property
    def value(self) -> float:
        """The number; raises `MissingNumbers` where [values] lacks some."""
        return float(self.network.numbers.element(self.conclusion.definition.name, self.place))

    def as_json(self, limit: int = 300) -> dict[str, Any]:
        """The derivation as plain data: deductions with their rules, paths up to ``limit``.

        ``path_count`` is None where sizes are symbolic and the paths cannot be counted for all.
        """
        count = None
        with suppress(Uncounted):
            count = self.path_count
        return {
            "wrt": self.name,
            "expr": str(self.expr),
            "latex": self.latex(),
            "path_count": count if count is None or isinstance(count, int) else str(count),
            "paths": self.path_names(limit),
            "deductions": [
                systems.as_data(self, entry, rendering.plain) for entry in systems.told(self)
            ],
        }

    def latex(self) -> str:
        """The chain of equalities as an ``aligned`` environment."""
        return systems.latex(self)

    def text(self) -> str:
        """The whole derivation as Unicode text."""
        return systems.text(self, rendering.plain)

    def sheet(self, form: str = "html", detail: str = "normal") -> str:
        """The sheet as html, tex, md or txt; ``detail`` is brief, normal or full."""
        _check(form, detail)
        return rendering.render(systems.sheet(self.network, self, detail), form)

    def figure(self) -> Figure | None:
        """The recurrence unrolled, or the arrays with what leads to the loss; None for too many."""
        return system_figure(self.network.system, self.element.array)

    def __repr__(self) -> str:
        return f"<symback.EquationDerivation {self}>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def _repr_html_(self) -> str:
        figure = self.figure()
        if figure is None:
            return f"$${self.latex()}$$"
        return rendering.notebook_html(figure, self.latex())


def _as_lists(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: as_floats(np.array(array, dtype=object)) for name, array in arrays.items()}


def _check_style(style: str) -> None:
    if style not in ("", "array"):
        raise NoKernel("a kernel of equations in index notation is made of arrays: leave out style")


def load(path: str | Path) -> Network | EquationNetwork:
    """The network of a file; raises `SpecError` naming the file, the place, what was expected."""
    found = specified(path)
    network = EquationNetwork(found) if isinstance(found, System) else Network.from_spec(found)
    network.check_goals()
    return network


def equations(
    stages: Mapping[str, str] | str,
    values: Mapping[str, Any] | None = None,
    title: str = "",
    **tables: Any,
) -> Network | EquationNetwork:
    """Equations as in a file: named stages in order, or lines in index notation.

    Of the latter, ``tables`` are the file's others, and its ``loss``: sizes, parameters, inputs,
    indices, pad, ranges.  Raises `SpecError`.

    >>> net = equations({"yhat": "w*x", "s": "yhat - y", "L": "s**2"})
    >>> print(net.derive("w"))
    dL/dw = 2·s·x
    >>> rows = {"sizes": {"n": 2}, "parameters": {"w": ["n"]}, "inputs": {"x": ["n"]}}
    >>> net = equations("L = sum(i, w[i]*x[i])**2", values={"w": [1, 2], "x": [3, 4]}, **rows)
    >>> net.evaluate()["gradients"]["w"]
    [66.0, 88.0]
    """
    if isinstance(stages, str):
        return EquationNetwork(reading.from_text(stages, values=values, title=title, **tables))
    if tables:
        raise SpecError(f"{', '.join(tables)}: belongs to equations in one text, a[i] = … a line")
    return Network.from_spec(spec.equations(stages, values=values, title=title))


def _check(form: str, detail: str) -> None:
    """Raise `UnknownWord` unless a sheet has this form and this level of detail."""
    words = (("form", form, rendering.FORMS), ("detail", detail, DETAILS))
    for what, word, known in words:
        if word not in known:
            shown, meant = printable(str(word)), did_you_mean(str(word), known)
            raise UnknownWord(f"{what} {shown!r}: expected {', '.join(known)}{meant}")


@dataclass(frozen=True, repr=False)
class Derivation(derivations.Derivation):
    """The derivation of ∂L/∂(one element), and the ways to show it.

    ``expr`` is the derivative as a SymPy expression in the names of quantities (h_13, yhat_1, …),
    ``folded`` the same with every sum over neurons as Σ, ``steps`` the chain of equal right-hand
    sides, each with its rule, ``paths`` every path from the element to the loss, lazily.
    """

    network: Network

    @property
    def name(self) -> str:
        """The element, e.g. ``w_131``."""
        return self.target.name

    @property
    def target_name(self) -> str:
        """What is differentiated: L, or the last stage of an [equations] file."""
        return self.network.graph.target.name

    @property
    def deductions(self) -> tuple[Deduction, ...]:
        """The deductions on the way, from the loss back, and the conclusion last."""
        return (*self.adjoints, self.conclusion)

    @property
    def path_count(self) -> int | Expr:
        """How many paths there are, exactly; an expression where widths are symbolic."""
        return self.paths.count

    def path_names(self, limit: int) -> list[list[str]]:
        """The names along the first ``limit`` paths; none where a width is symbolic."""
        if not self.network.graph.is_concrete():
            return []
        return [list(path.neurons) for path in itertools.islice(self.paths, limit)]

    @property
    def value(self) -> float | list[float]:
        """The number, where the network has numbers (one a sample for a quantity of a batch)."""
        array = self.network.gradients[self.target.variable.name]
        if self.target.variable.batched:
            return as_floats(array[(slice(None), *(i - 1 for i in self.target.indices))])
        return float(self.network.numbers.element(array, self.target))

    def as_json(self, limit: int = 300) -> dict[str, Any]:
        """The derivation as plain data: deductions with their rules, paths up to ``limit``."""
        count = self.path_count
        return {
            "wrt": self.name,
            "expr": str(self.expr),
            "latex": self.latex(),
            "path_count": count if isinstance(count, int) else str(count),
            "paths": self.path_names(limit),
            "deductions": [
                chapters.as_data(self.network, self, entry, rendering.plain)
                for entry in self.deductions
            ],
            "facts": [fact.because for fact in self.facts],
        }

    def latex(self) -> str:
        """The chain of equalities as an ``aligned`` environment."""
        return chapters.latex(self.network, self)

    def text(self) -> str:
        """The whole derivation as Unicode text."""
        return chapters.text(self.network, self, rendering.plain)

    def sheet(self, form: str = "html", detail: str = "normal", *, stable: bool = False) -> str:
        """The sheet as html, tex, md or txt; ``stable`` as for `Network.sheet`."""
        _check(form, detail)
        return rendering.render(chapters.sheet(self.network, self, detail, stable=stable), form)

    def __str__(self) -> str:
        return chapters.one_line(self.network, self)

    def __repr__(self) -> str:
        return f"<symback.Derivation {self}; {self.path_count} path{'s' * (self.path_count != 1)}>"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    def _repr_html_(self) -> str:
        return rendering.notebook_html(self.figure(), self.latex())

    def kernel(self) -> Kernel:
        """The derivative as a NumPy function of (params, x, y): a number for a weight or bias.

        For an a or h of a hidden layer it is an array, one number a sample of a batch.  Arguments
        as for `Network.kernel`.  Raises `NoKernel`.

        >>> net = Network(2, [(1, "linear")], loss="squared_error", bias="none")
        >>> net.derive("w_111").kernel()({"W1": [[0.5, 1.0]]}, [2.0, 1.0], [3.0])
        -4.0
        """
        network = self.network
        return kernels.element_kernel(network._layered, self.target, network._in_words)

    def figure(self) -> Figure:
        """The network with the paths from the element to the loss."""
        return passages.figure(self.network, self)
