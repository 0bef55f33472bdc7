// Medians, and what a whole update is in multiply-adds.

export function median(values) {
  if (values.length === 0) throw new Error('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** One of the values: a part p of them, 0 to 1, is smaller, as nearly as their number allows. */
export function quantile(values, p) {
  if (values.length === 0) throw new Error('no values');
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(p * sorted.length))];
}

/** Median and range. */
export function spread(values) {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/**
 * Multiply-adds of one row.
 *
 * @param sizes - Units of every layer, the observation first.
 * @returns `forward`; `gradient`, the backward signal of every layer but the first and all weights;
 *   `product`, the tangent (two products for every layer but the first) and the same backward pass.
 */
export function multiplyAdds(sizes) {
  const weights = sizes.slice(1).map((outputs, layer) => outputs * sizes[layer]);
  const forward = weights.reduce((sum, count) => sum + count, 0);
  const [first] = weights;
  return { forward, gradient: 2 * forward - first, product: 4 * forward - 2 * first };
}

/**
 * Floating-point operations of one update: the batch's forward pass, one more for each candidate of
 * the line search, the gradient, the products.
 */
export function updateFlops({ rows, sizes, products, candidates }) {
  const { forward, gradient, product } = multiplyAdds(sizes);
  return 2 * rows * ((1 + candidates) * forward + gradient + products * product);
}
