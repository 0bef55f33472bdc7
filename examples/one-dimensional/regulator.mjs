// @ts-check
/*
 * The closed form. State and action are numbers, s' = s + a, reward -(s^2 + c a^2), policy
 * a ~ N(k s, sigma^2), discount g. README.md derives the formulas.
 */

/**
 * What is given.
 *
 * @typedef {object} Problem
 * @property {number} discount - From 0 to 1, 1 excluded except in `optimalFeedback`.
 * @property {number} actionCost - The weight c of a^2, at least 0.
 * @property {number} startVariance - E[s_0^2]; the start is distributed symmetrically around 0.
 */

/**
 * What is learnt.
 *
 * @typedef {object} Point
 * @property {number} k - Feedback gain.
 * @property {number} sigma - Standard deviation of the action, greater than 0.
 */

/**
 * The lecture's reward. The state starts at rest in its goal: what moves it is exploration alone.
 *
 * @type {Problem}
 */
export const lectureProblem = { discount: 0.9, actionCost: 1, startVariance: 0 };

/**
 * g (1 + k)^2, by which the discounted variance of the state is multiplied in a step. At 1 or above
 * the return is infinite.
 *
 * @param {Problem} problem
 * @param {number} k
 */
function growth({ discount }, k) {
  const factor = discount * (1 + k) ** 2;
  if (!(factor < 1)) {
    throw new RangeError(`k = ${k} does not stabilise the state: its return is infinite`);
  }
  return factor;
}

/**
 * P of V(s) = -(P s^2 + sigma^2 (c + g P) / (1 - g)).
 *
 * @param {Problem} problem
 * @param {number} k
 */
export function valueCurvature(problem, k) {
  return (1 + problem.actionCost * k ** 2) / (1 - growth(problem, k));
}

/**
 * E[s^2] under the discounted distribution of states, (1 - g) sum_t g^t p(s_t = s).
 *
 * @param {Problem} problem
 * @param {Point} point
 */
export function stateVariance(problem, { k, sigma }) {
  const { discount, startVariance } = problem;
  return ((1 - discount) * startVariance + discount * sigma ** 2) / (1 - growth(problem, k));
}

/**
 * J(k, sigma) = (1 - g) E sum_t g^t r_t, the mean reward under the discounted distribution.
 *
 * @param {Problem} problem
 * @param {Point} point
 */
export function objective(problem, { k, sigma }) {
  const { discount, actionCost, startVariance } = problem;
  const curvature = valueCurvature(problem, k);
  return (
    -(1 - discount) * curvature * startVariance - sigma ** 2 * (actionCost + discount * curvature)
  );
}

/**
 * The advantage -(slope s z + bend (z^2 - sigma^2)) of an action a = k s + z. Both numbers depend
 * on k alone: slope = 2 (c k + g (1 + k) P), bend = c + g P.
 *
 * @param {Problem} problem
 * @param {number} k
 */
export function advantageCoefficients(problem, k) {
  const { discount, actionCost } = problem;
  const curvature = valueCurvature(problem, k);
  return {
    slope: 2 * (actionCost * k + discount * (1 + k) * curvature),
    bend: actionCost + discount * curvature,
  };
}

/**
 * A(s, a) = Q(s, a) - V(s)
 *
 * @param {Problem} problem
 * @param {Point} point
 * @param {number} state
 * @param {number} action
 */
export function advantage(problem, { k, sigma }, state, action) {
  const { slope, bend } = advantageCoefficients(problem, k);
  const noise = action - k * state;
  return -(slope * state * noise + bend * (noise ** 2 - sigma ** 2));
}

/**
 * dJ/dk and dJ/dsigma.
 *
 * @param {Problem} problem
 * @param {Point} point
 * @returns {Point}
 */
export function gradient(problem, point) {
  const { slope, bend } = advantageCoefficients(problem, point.k);
  return { k: -slope * stateVariance(problem, point), sigma: -2 * bend * point.sigma };
}

/**
 * The diagonal of the Fisher matrix in (k, sigma); the entry between them is 0.
 *
 * @param {Problem} problem
 * @param {Point} point
 * @returns {Point}
 */
export function fisher(problem, point) {
  const { sigma } = point;
  return { k: stateVariance(problem, point) / sigma ** 2, sigma: 2 / sigma ** 2 };
}

/**
 * The exact mean KL(old || new) over the states that the old policy visits.
 *
 * @param {Problem} problem
 * @param {Point} old
 * @param {Point} next
 */
export function klDivergence(problem, old, next) {
  const meanShift = stateVariance(problem, old) * (next.k - old.k) ** 2;
  return (
    Math.log(next.sigma / old.sigma) + (old.sigma ** 2 + meanShift) / (2 * next.sigma ** 2) - 0.5
  );
}

/**
 * The best gain k and its P, from the Riccati equation P = 1 + c g P / (c + g P), whose positive root is
 * taken. The best sigma is 0.
 *
 * @param {Pick<Problem, 'discount' | 'actionCost'>} problem
 */
export function optimalFeedback({ discount, actionCost }) {
  // g P^2 + linear P - c = 0
  const linear = actionCost - discount - discount * actionCost;
  const curvature = (Math.sqrt(linear ** 2 + 4 * discount * actionCost) - linear) / (2 * discount);
  return { k: (-discount * curvature) / (actionCost + discount * curvature), curvature };
}
