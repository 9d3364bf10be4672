"""Weight decay in many digits: one mode by Bessel functions, two layers by Taylor series."""

import mpmath as mp
import numpy as np


def by_bessel_functions(s, gamma, plus, minus, time):
    """Log of the ratio of two sums of modified Bessel functions of the orders s / 2 gamma +- 1/2, and s - P + M."""
    with mp.workdps(90):
        s, gamma, plus, minus, time = (mp.mpf(float(value)) for value in (s, gamma, plus, minus, time))
        upper, lower = s / (2 * gamma) + mp.mpf(1) / 2, s / (2 * gamma) - mp.mpf(1) / 2
        start = mp.sqrt(plus * minus) / gamma
        now, ratio = start * mp.exp(-2 * gamma * time), mp.sqrt(minus / plus)
        first = mp.besselk(lower, start) - ratio * mp.besselk(upper, start)
        second = ratio * mp.besseli(upper, start) + mp.besseli(lower, start)
        n = first * mp.besseli(upper, now) + second * mp.besselk(upper, now)
        m = (second * mp.besselk(lower, now) - first * mp.besseli(lower, now)) / ratio
        left = mp.exp(-2 * gamma * time)
        return float(mp.log(n / m) / 2), float(s - plus * n / m * left + minus * m / n * left)


def by_taylor_series(w1, w2, sigma_yx, gamma, times):
    """W - sigma_yx and W1^T W1 of two layers on white inputs, (time, ...), rounded from 22 digits."""
    n_hidden, n_in = w1.shape
    with mp.workdps(30):
        task = mp.matrix(sigma_yx.tolist())

        def layers(numbers):
            first = mp.matrix(n_hidden, n_in)
            second = mp.matrix(len(w2), n_hidden)
            for i in range(n_hidden * n_in):
                first[i // n_in, i % n_in] = numbers[i]
            for i in range(len(w2) * n_hidden):
                second[i // n_hidden, i % n_hidden] = numbers[n_hidden * n_in + i]
            return first, second

        def velocity(_, numbers):
            first, second = layers(numbers)
            error = task - second * first
            return list(second.T * error - gamma * first) + list(error * first.T - gamma * second)

        start = [mp.mpf(float(number)) for number in (*w1.ravel(), *w2.ravel())]
        solution = mp.odefun(velocity, 0, start, tol=mp.mpf(10) ** -22)
        errors, grams = [], []
        for time in times:
            first, second = layers(solution(float(time)))
            errors.append(np.array((second * first - task).tolist(), dtype=float))
            grams.append(np.array((first.T * first).tolist(), dtype=float))
    return np.array(errors), np.array(grams)
