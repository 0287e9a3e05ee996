"""A recurrent network that learns a short text letter by letter, and then writes it.

Its equations are six lines; symback derives backpropagation through time from them and writes the
function of the loss and all gradients (`net.kernel()`).  Plain gradient descent does the rest.

    python examples/char_rnn.py
"""

import numpy as np

import symback as sb

TEXT = (
    "the chain rule is a rule about chains: a small change of u changes v, "
    "a small change of v changes the loss. sum over all chains."
)
UNITS, EPOCHS, RATE = 48, 1500, 0.2

EQUATIONS = """
h[0,i] = 0
a[t,i] = W[i,now[t]] + sum(j, U[i,j]*h[t-1,j]) + b[i]
h[t,i] = tanh(a[t,i])
o[t,k] = sum(i, V[k,i]*h[t,i]) + c[k]
L = mean(t, logsumexp(k, o[t,k]) - o[t,next[t]])
"""


def network(letters: int) -> sb.EquationNetwork:
    """The network for an alphabet of so many letters; the number of steps T is open."""
    return sb.equations(
        EQUATIONS,
        sizes={"T": "T", "n": UNITS, "K": letters},
        parameters={"W": ["n", "K"], "U": ["n", "n"], "b": ["n"], "V": ["K", "n"], "c": ["K"]},
        indices={
            "now": {"shape": ["T"], "below": "K"},
            "next": {"shape": ["T"], "below": "K"},
        },
        title="A recurrent network of letters",
    )


def written(kernel, parameters, alphabet: str, start: str, length: int) -> str:
    """What the network goes on with after ``start``: the most likely letter, again and again."""
    found = start
    while len(found) < length:
        numbers = [alphabet.index(letter) + 1 for letter in found]
        scores = kernel.forward(parameters, {"now": numbers, "next": numbers})["o"][-1]
        found += alphabet[int(np.argmax(scores))]
    return found


def main() -> None:
    """Learn the text, and print what the network writes before and after."""
    alphabet = "".join(sorted(set(TEXT)))
    numbers = np.array([alphabet.index(letter) + 1 for letter in TEXT])
    net, inputs = network(len(alphabet)), {"now": numbers[:-1], "next": numbers[1:]}
    kernel = net.kernel()

    def tell(epoch: int, loss: float, parameters) -> None:
        if epoch % 300 == 0:
            said = written(kernel, parameters, alphabet, "the ", 60)
            print(f"epoch {epoch:4}  loss {loss:.4f}  {said!r}")

    run = net.descend(inputs, epochs=EPOCHS, rate=RATE, callback=tell)
    scores = kernel.forward(run.parameters, inputs)["o"]
    right = np.mean(scores.argmax(axis=1) + 1 == inputs["next"])
    print(f"{right:.0%} of the next letters are right; the text, from its first four letters:")
    print(written(kernel, run.parameters, alphabet, TEXT[:4], len(TEXT)))


if __name__ == "__main__":
    main()
