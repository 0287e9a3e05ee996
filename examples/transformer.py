"""A transformer of one block that learns to write a sequence backwards.

It reads digits and a bar, and goes on: 3 1 4 1 5 9 | 9 5 1 4 1 3.  Embedding, causal attention
with two heads, two residual sums, a hidden layer, and the loss of the second half: all are
equations in index notation, from which symback derives the backward pass and writes one function of
the loss and all gradients.  Plain gradient descent does the rest, on sequences that are new in
every epoch.

    python examples/transformer.py
"""

import numpy as np

import symback as sb

DIGITS, LENGTH, SAMPLES = 9, 6, 32  # digits 1 … 9, and 10 is the bar
BAR, STEPS = DIGITS + 1, 2 * LENGTH
EPOCHS, RATE = 600, 0.2

EQUATIONS = """
x[s,t,i] = E[now[s,t],i] + P[t,i]
q[s,h,t,k] = sum(i, Wq[h,k,i]*x[s,t,i])
r[s,h,t,k] = sum(i, Wk[h,k,i]*x[s,t,i])
v[s,h,t,k] = sum(i, Wv[h,k,i]*x[s,t,i])
S[s,h,t,u] = sum(k, q[s,h,t,k]*r[s,h,u,k])/sqrt(d)
A[s,h,t,u] = softmax(u if u <= t, S[s,h,t,u])
z[s,h,t,k] = sum(u if u <= t, A[s,h,t,u]*v[s,h,u,k])
y[s,t,i] = x[s,t,i] + sum(h, sum(k, Wo[i,h,k]*z[s,h,t,k]))
a[s,t,m] = sum(i, W1[m,i]*y[s,t,i]) + b1[m]
f[s,t,m] = relu(a[s,t,m])
w[s,t,i] = y[s,t,i] + sum(m, W2[i,m]*f[s,t,m])
o[s,t,c] = sum(i, V[c,i]*w[s,t,i])
L = mean(s, sum(t if t > n, logsumexp(c, o[s,t,c]) - o[s,t,next[s,t]]))/n
"""


def network() -> sb.EquationNetwork:
    """The network; the number of sequences is open."""
    return sb.equations(
        EQUATIONS,
        sizes={"B": "B", "T": STEPS, "n": LENGTH, "K": BAR, "D": 24, "H": 2, "d": 12, "M": 48},
        parameters={
            "E": ["K", "D"],
            "P": ["T", "D"],
            "Wq": ["H", "d", "D"],
            "Wk": ["H", "d", "D"],
            "Wv": ["H", "d", "D"],
            "Wo": ["D", "H", "d"],
            "W1": ["M", "D"],
            "b1": ["M"],
            "W2": ["D", "M"],
            "V": ["K", "D"],
        },
        indices={
            "now": {"shape": ["B", "T"], "below": "K"},
            "next": {"shape": ["B", "T"], "below": "K"},
        },
        title="A transformer of one block",
    )


def sequences(seed: int, count: int = SAMPLES) -> dict[str, np.ndarray]:
    """Digits, the bar, the same digits backwards: what is read, and what comes next."""
    digits = np.random.default_rng(seed).integers(1, DIGITS + 1, size=(count, LENGTH))
    bar = np.full((count, 1), BAR)
    whole = np.concatenate([digits, bar, digits[:, ::-1]], axis=1)
    return {"now": whole[:, :-1], "next": whole[:, 1:]}


def accuracy(kernel, parameters, data) -> float:
    """How many of the sequences are written without a mistake, each digit from those before it."""
    found = kernel.forward(parameters, data)["o"].argmax(axis=2) + 1
    right = found[:, LENGTH:] == data["next"][:, LENGTH:]
    return float(right.all(axis=1).mean())


def written(kernel, parameters, digits: list[int]) -> list[int]:
    """What the network writes after some digits and the bar, reading what it wrote."""
    now = [*digits, BAR]
    while len(now) <= STEPS:
        read = np.array([now + [1] * (STEPS - len(now))])
        scores = kernel.forward(parameters, {"now": read, "next": read})["o"][0, len(now) - 1]
        now.append(int(scores.argmax()) + 1)
    return now[LENGTH + 1 :]


def main() -> None:
    """Learn, and print how many of 500 sequences never seen are right on the way."""
    net = network()
    kernel, unseen = net.kernel(), sequences(10**6, 500)

    def tell(epoch: int, loss: float, parameters) -> None:
        if epoch % (EPOCHS // 10) == 0:
            share = accuracy(kernel, parameters, unseen)
            said = written(kernel, parameters, [3, 1, 4, 1, 5, 9])
            print(f"epoch {epoch:4}  loss {loss:.4f}  right {share:4.0%}  3 1 4 1 5 9 | {said}")

    run = net.descend(sequences, epochs=EPOCHS, rate=RATE, callback=tell)
    print(f"{accuracy(kernel, run.parameters, unseen):.1%} of 500 sequences never seen are right")


if __name__ == "__main__":
    main()
