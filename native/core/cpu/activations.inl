// The activation functions of every kernel set, over vectors of kLanes floats; included by
// kernels.inl.

inline Vec absolute(Vec x) { return asFloats(asBits(x) & 0x7fffffff); }
// A magnitude that has no sign yet, with that of x.
inline Vec withSign(Vec magnitude, Vec x) {
  return asFloats(asBits(magnitude) | (asBits(x) & static_cast<int>(0x80000000)));
}

// e^r - 1 for |r| <= log(2) / 2: r + r^2 q(r) with q the minimax polynomial (relative error of e^r
// 3.1e-9).
inline Vec exponentialMinusOne(Vec r) {
  Vec q = broadcast(0.001381459878757596f);
  q = multiplyAdd(q, r, broadcast(0.008368716575205326f));
  q = multiplyAdd(q, r, broadcast(0.04166838899254799f));
  q = multiplyAdd(q, r, broadcast(0.1666652113199234f));
  q = multiplyAdd(q, r, broadcast(0.4999999403953552f));
  return multiplyAdd(r * r, q, r);
}

// x = n log 2 + r. Adding 1.5 2^23 rounds to the nearest integer, left in the low bits.
constexpr float kRounding = 12582912.0f;
inline Vec shiftedExponent(Vec x) {
  return multiplyAdd(x, broadcast(1.44269504f), broadcast(kRounding));
}
inline Vec powerOfTwo(Vec shifted) { return asFloats((asBits(shifted) << 23) + 0x3f800000); }

// e^x for x in [-87, 88], within 1.5 ulp there; outside it is clamped to the ends.
inline Vec exponential(Vec x) {
  x = x < -87.0f ? broadcast(-87.0f) : x;
  x = x > 88.0f ? broadcast(88.0f) : x;
  const Vec shifted = shiftedExponent(x);
  const Vec n = shifted - kRounding;
  Vec r = multiplyAdd(n, broadcast(-0.693359375f), x);  // log 2 in two parts, the first exact
  r = multiplyAdd(n, broadcast(2.12194440e-4f), r);
  return (exponentialMinusOne(r) + 1.0f) * powerOfTwo(shifted);
}

// tanh within 3 ulp (2.67 over all floats): e / (e + 2) for e = e^2|x| - 1 = 2^n (e^r - 1) + (2^n -
// 1), which is 1 from 10 on. One part of log 2 will do: where n is large, the quotient hardly
// depends on r.
inline Vec hyperbolicTangent(Vec x) {
  Vec twice = absolute(x) * 2.0f;
  twice = twice > 20.0f ? broadcast(20.0f) : twice;  // NaN stays NaN
  const Vec shifted = shiftedExponent(twice);
  const Vec r = multiplyAdd(shifted - kRounding, broadcast(-0.693147181f), twice);
  const Vec power = powerOfTwo(shifted);
  const Vec e = multiplyAdd(power, exponentialMinusOne(r), power - 1.0f);
  return withSign(e / (e + 2.0f), x);
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
