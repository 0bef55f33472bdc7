// How good a natural direction is.

export const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/**
 * Tells the efficiency of a direction x, for A = F + damping I and the exact direction x* = A^-1 g:
 *
 *   (g'x / sqrt(x'A x)) / sqrt(g'x*)
 *
 * the improvement that a step along x of a given (damped) length brings, as a part of the most that any
 * step of that length could.
 *
 * @param operator - F, as `policy.fisherOperator` makes it.
 */
export function efficiencyAgainst(operator, gradient, exact, damping) {
  const most = Math.sqrt(dot(gradient, exact));
  return (x) => {
    const curvature = dot(x, operator.apply(x)) + damping * dot(x, x);
    return dot(gradient, x) / Math.sqrt(curvature) / most;
  };
}
