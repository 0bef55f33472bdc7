// The activation functions of every kernel set, over vectors of kLanes floats; included by
// kernels.inl.

inline Vec absolute(Vec x) { return asFloats(asBits(x) & 0x7fffffff); }
inline Vec copySign(Vec magnitude, Vec sign) {
  return asFloats((asBits(magnitude) & 0x7fffffff) | (asBits(sign) & 0x80000000));
}

// e^x = scale (1 + rest): x = n log 2 + r, |r| <= log(2) / 2, scale = 2^n and rest = e^r - 1 =
// r + r^2 q(r) with q the minimax polynomial (relative error of 1 + rest 3.1e-9). x in [-87, 88].
struct ExponentialParts {
  Vec scale;
  Vec rest;
};

inline ExponentialParts exponentialParts(Vec x) {
  // Adding 1.5 2^23 rounds to the nearest integer, left in the low bits.
  const Vec shifted = multiplyAdd(x, broadcast(1.44269504f), broadcast(12582912.0f));
  const Vec n = shifted - 12582912.0f;
  Vec r = multiplyAdd(n, broadcast(-0.693359375f), x);  // log 2 in two parts, the first exact
  r = multiplyAdd(n, broadcast(2.12194440e-4f), r);
  Vec q = broadcast(0.001381459878757596f);
  q = multiplyAdd(q, r, broadcast(0.008368716575205326f));
  q = multiplyAdd(q, r, broadcast(0.04166838899254799f));
  q = multiplyAdd(q, r, broadcast(0.1666652113199234f));
  q = multiplyAdd(q, r, broadcast(0.4999999403953552f));
  return {asFloats((asBits(shifted) << 23) + 0x3f800000), multiplyAdd(r * r, q, r)};
}

// e^x for x in [-87, 88], within 1.5 ulp there; outside it is clamped to the ends.
inline Vec exponential(Vec x) {
  x = x < -87.0f ? broadcast(-87.0f) : x;
  x = x > 88.0f ? broadcast(88.0f) : x;
  const ExponentialParts parts = exponentialParts(x);
  return (parts.rest + 1.0f) * parts.scale;
}

// tanh within 2.5 ulp (2.27 at most, over all floats): with E = e^2|x| - 1, E / (E + 2), which is 1
// from 10 on. Below log(2) / 4, where the three roundings of that weigh most,
// x + x^3 p(x^2) with p minimax (relative error 5.5e-8).
inline Vec hyperbolicTangent(Vec x) {
  const Vec square = x * x;
  const Vec p =
      multiplyAdd(broadcast(0.13110855221748352f), square, broadcast(-0.3333127796649933f));
  const Vec small = multiplyAdd(x * square, p, x);
  const Vec magnitude = absolute(x);
  const Vec twice = magnitude > 10.0f ? broadcast(20.0f) : magnitude + magnitude;  // NaN stays NaN
  const ExponentialParts parts = exponentialParts(twice);
  const Vec e = multiplyAdd(parts.scale, parts.rest, parts.scale - 1.0f);
  return magnitude < 0.1733f ? small : copySign(e / (e + 2.0f), x);
}

// 1 / (1 + e^-x), from e^-|x| so that both tails keep their digits.
inline Vec logisticSigmoid(Vec x) {
  const Vec magnitude = absolute(x);
  // Below e^-87 there are only denormal numbers: nothing, instead of what exponential() clamps to.
  const Vec e = magnitude > 87.0f ? Vec{} : exponential(-magnitude);
  const Vec result = (x >= 0.0f ? broadcast(1.0f) : e) / (1.0f + e);
  return x != x ? x : result;
}

void activate(Activation activation, size_t count, float* z, float* derivative) {
  switch (activation) {
    case Activation::tanh:
      for (size_t i = 0; i < count; i += kLanes) store(z + i, hyperbolicTangent(load(z + i)));
      return;
    case Activation::relu:
      for (size_t i = 0; i < count; i += kLanes) {
        const Vec x = load(z + i);
        store(z + i, x < 0.0f ? Vec{} : x);  // NaN stays NaN
      }
      return;
    case Activation::silu:
      for (size_t i = 0; i < count; i += kLanes) {
        const Vec x = load(z + i);
        const Vec sigmoid = logisticSigmoid(x);
        store(z + i, x * sigmoid);
        store(derivative + i, sigmoid * multiplyAdd(x, 1.0f - sigmoid, broadcast(1.0f)));
      }
      return;
  }
}
