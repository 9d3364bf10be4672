"""Networks and data constructed directly, and every quantity of the contract from the weights of an integrated flow."""

from dataclasses import dataclass

import numpy as np


def balanced_layers(n_in, n_hidden, n_out, lam, rng, scale=0.5):
    """Draw weights with W2^T W2 = lam I + W1 W1^T, by a matrix square root; requires lam >= 0 and hidden <= out."""
    w1 = scale * rng.standard_normal((n_hidden, n_in))
    values, vectors = np.linalg.eigh(lam * np.eye(n_hidden) + w1 @ w1.T)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    columns, _ = np.linalg.qr(rng.standard_normal((n_out, n_hidden)))
    return w1, columns @ root


def layers_of(qqt, n_in, n_hidden):
    """Weights with this Q Q^T, which determines them up to a rotation of the hidden units."""
    values, vectors = np.linalg.eigh(qqt)
    kept = np.argsort(values)[::-1][:n_hidden]
    q = vectors[:, kept] * np.sqrt(np.where(values[kept] > 1e-13 * values[-1], values[kept], 0))
    q = np.pad(q, ((0, 0), (0, n_hidden - q.shape[1])))
    return q[:n_in].T, q[n_in:]


def features_of_hierarchy(levels):
    """Features, one row per item: a root feature, always 1, then one per inner node of the tree, breadth first."""
    items = 2**levels
    rows = []
    for item in range(items):
        row = [1]
        for level in range(levels):
            for node in range(2**level):
                size = items // 2**level
                left = node * size <= item < node * size + size // 2
                right = node * size + size // 2 <= item < (node + 1) * size
                row.append(int(left) - int(right))
        rows.append(row)
    return np.array(rows, dtype=float)


def whitened(inputs):
    """Whitened inputs sigma_xx^{-1/2} x on their span, by the eigenvectors of sigma_xx; rows are samples."""
    values, vectors = np.linalg.eigh(inputs.T @ inputs / len(inputs))
    kept = values > 1e-10 * values[-1]
    return inputs @ (vectors[:, kept] / np.sqrt(values[kept])) @ vectors[:, kept].T


@dataclass(frozen=True)
class Data:
    """Training data after whitening, if any; rows are samples."""

    inputs: np.ndarray
    targets: np.ndarray

    @property
    def sigma_yx(self):
        return self.targets.T @ self.inputs / len(self.inputs)

    @property
    def sigma_xx(self):
        return self.inputs.T @ self.inputs / len(self.inputs)

    def loss(self, w):
        """Loss 1/(2P) ||W X - Y||^2 of the network function W."""
        return np.sum((self.inputs @ w.T - self.targets) ** 2) / (2 * len(self.inputs))

    def least_loss(self):
        best = np.linalg.lstsq(self.inputs, self.targets, rcond=None)[0].T
        return self.loss(best)


def quantities_of(path, lam):
    """Quantities of the weights (w1, w2) at each time that need no task."""
    w = np.array([w2 @ w1 for w1, w2 in path])
    q = [np.vstack([w1.T, w2]) for w1, w2 in path]
    b = [w2.T @ w2 - w1 @ w1.T for w1, w2 in path]
    strengths = np.linalg.svd(w, compute_uv=False)
    shares = strengths / np.sum(strengths, axis=1, keepdims=True)
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return {
        "effective_rank": np.exp(-np.sum(shares * logarithms, axis=1)),
        "output": w,
        "input_representation": np.array([w1.T @ w1 for w1, _ in path]),
        "output_representation": np.array([w2 @ w2.T for _, w2 in path]),
        "qqt": np.array([each @ each.T for each in q]),
        "singular_values": strengths,
        "weights.0": np.array([w1 for w1, _ in path]),
        "weights.1": np.array([w2 for _, w2 in path]),
        "weight_norms": np.array([[np.linalg.norm(w1), np.linalg.norm(w2)] for w1, w2 in path]),
        "balance.lambda": np.array([np.trace(each) / len(each) for each in b]),
        "balance.residual": np.array([np.linalg.norm(each - lam * np.eye(len(each))) for each in b]),
    }


def of_samples(path, inputs, targets):
    """Quantities of weights along a path from time 0 that need samples, which are rows (docs/theory.md, section 4)."""
    n_out = len(path[0][1])
    kernels = [
        np.kron(np.eye(n_out), inputs @ w1.T @ w1 @ inputs.T) + np.kron(w2 @ w2.T, inputs @ inputs.T) for w1, w2 in path
    ]
    norms = np.array([np.linalg.norm(kernel) for kernel in kernels])
    products = np.array([np.sum(kernel * kernels[0]) for kernel in kernels])
    return {
        "ntk": np.array(kernels),
        "ntk_norm": norms,
        "ntk_distance": 1 - products / (norms * norms[0]),
        "ntk_movement": np.array([np.linalg.norm(kernel - kernels[0]) / norms[0] for kernel in kernels]),
        "rsm_input": np.array([inputs @ w1.T @ w1 @ inputs.T for w1, _ in path]),
        "rsm_output": np.array([targets @ np.linalg.pinv(w2 @ w2.T, rcond=1e-10) @ targets.T for _, w2 in path]),
    }


def of_task(path, sigma_yx, sigma_xx, tau):
    """Quantities of the weights along a path that need a task; NaN where equal or missing modes have no alignment."""
    rates = []
    for w1, w2 in path:
        error = sigma_yx - w2 @ w1 @ sigma_xx
        rates.append(-(np.sum((w2.T @ error) ** 2) + np.sum((error @ w1.T) ** 2)) / tau)
    u, s, vt = np.linalg.svd(sigma_yx, full_matrices=False)
    left, strengths, right = np.linalg.svd([w2 @ w1 for w1, w2 in path], full_matrices=False)
    exists = np.where(strengths > 1e-12 * strengths[:, :1], 1.0, np.nan)
    gaps = np.abs(np.diff(s, prepend=np.inf, append=0.0))
    distinct = np.where(np.minimum(gaps[:-1], gaps[1:]) > 1e-6 * s[0], 1.0, np.nan)
    return {
        "loss_rate": np.array(rates),
        "sharpness": np.array([np.linalg.eigvalsh(_hessian(*layers, sigma_yx, sigma_xx))[-1] for layers in path]),
        "alignment.input": distinct * exists * np.abs(np.einsum("ai,tai->ta", vt, right)),
        "alignment.output": distinct * exists * np.abs(np.einsum("oa,toa->ta", u, left)),
        "task_specificity.input": _specificity([w1.T @ w1 for w1, _ in path], vt.T, s),
        "task_specificity.output": _specificity([w2 @ w2.T for _, w2 in path], u, s),
    }


def _hessian(w1, w2, sigma_yx, sigma_xx):
    """Hessian of the loss with respect to all weights, column by column, by complex steps of the gradient."""
    flat = np.concatenate([w1.ravel(), w2.ravel()]).astype(complex)
    columns = []
    for index in range(len(flat)):
        moved = flat.copy()
        moved[index] += 1e-30j
        first, second = moved[: w1.size].reshape(w1.shape), moved[w1.size :].reshape(w2.shape)
        error = second @ first @ sigma_xx - sigma_yx
        gradient = np.concatenate([(second.T @ error).ravel(), (error @ first.T).ravel()])
        columns.append(gradient.imag / 1e-30)
    return np.array(columns)


def _specificity(representations, vectors, s):
    targets = [(vectors * s**power) @ vectors.T for power in (1, 2)]
    return np.array(
        [max(np.sum(r * t) / np.linalg.norm(r) / np.linalg.norm(t) for t in targets) for r in representations]
    )


def flat(quantities):
    """Map the arrays of nested quantities to their paths."""
    arrays = {}
    for name, value in quantities.items():
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
        arrays |= {name: value} if items is None else {f"{name}.{part}": array for part, array in items}
    return arrays


def strengths_of(w, sigma_yx):
    """Diagonal of U^T W V summed over each group of equal singular values above zero, where it is unique."""
    u, s, vt = np.linalg.svd(sigma_yx)
    diagonals = np.array([np.diagonal(u.T @ each @ vt.T) for each in w])
    return s, groups_of(diagonals, s)


def groups_of(strengths, s):
    starts = [i for i in range(len(s)) if i == 0 or s[i - 1] - s[i] > 1e-9 * s[0]]
    ends = [*starts[1:], len(s)]
    groups = [strengths[:, a:b].sum(axis=1) for a, b in zip(starts, ends, strict=True) if s[a] > 1e-9 * s[0]]
    return np.array(groups).T
