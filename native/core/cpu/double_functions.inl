// Functions of vectors of doubles, for what must be float64: the evaluation of a candidate that
// rounding leaves in doubt, and the mathematics of the distributions. Included by kernels.inl; the
// including file defines DoubleVec (a GCC vector of kLanes / 2 doubles), BitsVec (uint64
// likewise) and multiplyAdd for them. A NaN stays one through every function.

constexpr size_t kDoubleLanes = kLanes / 2;

inline DoubleVec load(const double* from) { return *reinterpret_cast<const DoubleVec*>(from); }
inline void store(double* to, DoubleVec value) { *reinterpret_cast<DoubleVec*>(to) = value; }
inline DoubleVec broadcast(double value) { return value - DoubleVec{}; }

inline DoubleVec asDoubles(BitsVec bits) { return reinterpret_cast<DoubleVec>(bits); }
inline BitsVec asBits(DoubleVec value) { return reinterpret_cast<BitsVec>(value); }

constexpr unsigned long long kDoubleSign = 0x8000000000000000;
inline DoubleVec absolute(DoubleVec x) { return asDoubles(asBits(x) & ~kDoubleSign); }
// A magnitude that has no sign yet, with that of x.
inline DoubleVec withSign(DoubleVec magnitude, DoubleVec x) {
  return asDoubles(asBits(magnitude) | (asBits(x) & kDoubleSign));
}

// x = n log 2 + r with |r| <= log(2) / 2, for |x| <= 1000.
struct DoubleExponentialParts {
  DoubleVec r;
  DoubleVec tail;  // e^r - 1 - r, relative error 2.1e-16
  BitsVec power;   // n in the place of an exponent
};

inline DoubleExponentialParts exponentialParts(DoubleVec x) {
  // Adding 1.5 2^52 rounds to the nearest integer, left in the low bits.
  const DoubleVec shifted =
      multiplyAdd(x, broadcast(1.4426950408889634), broadcast(6755399441055744.0));
  const DoubleVec n = shifted - 6755399441055744.0;
  // log 2 in two parts, n times the first exact
  DoubleVec r = multiplyAdd(n, broadcast(-0.6931471803691238), x);
  r = multiplyAdd(n, broadcast(-1.9082149292705877e-10), r);
  // (e^r - 1 - r) / r^2, minimax
  DoubleVec q = broadcast(2.5068349497874653e-08);
  q = multiplyAdd(q, r, broadcast(2.7620158060476957e-07));
  q = multiplyAdd(q, r, broadcast(2.755735523798821e-06));
  q = multiplyAdd(q, r, broadcast(2.4801521162707176e-05));
  q = multiplyAdd(q, r, broadcast(0.00019841269784707293));
  q = multiplyAdd(q, r, broadcast(0.0013888888917288245));
  q = multiplyAdd(q, r, broadcast(0.008333333333356254));
  q = multiplyAdd(q, r, broadcast(0.04166666666662401));
  q = multiplyAdd(q, r, broadcast(0.16666666666666644));
  q = multiplyAdd(q, r, broadcast(0.5));
  return {r, r * r * q, asBits(shifted) << 52};
}

constexpr unsigned long long kDoubleOne = 0x3ff0000000000000;  // the bits of 1.0

// e^x within 1.5 ulp; 0 below -708, infinite where a double is.
inline DoubleVec exponential(DoubleVec x) {
  DoubleVec clamped = x < -708.0 ? broadcast(-708.0) : x;
  clamped = clamped > 710.0 ? broadcast(710.0) : clamped;
  const DoubleExponentialParts parts = exponentialParts(clamped);
  // Half the power of two, then its double: 2^1024 is no number.
  constexpr unsigned long long kHalf = 0x3fe0000000000000;
  const DoubleVec half = asDoubles(parts.power + kHalf);
  const DoubleVec result = (1.0 + (parts.r + parts.tail)) * half * 2.0;
  return x < -708.0 ? DoubleVec{} : result;
}

// e^x - 1 within 3 ulp, for x in [0, 700].
inline DoubleVec exponentialMinusOne(DoubleVec x) {
  const DoubleExponentialParts parts = exponentialParts(x);
  const DoubleVec scale = asDoubles(parts.power + kDoubleOne);
  return multiplyAdd(scale, parts.r + parts.tail, scale - 1.0);
}

// e^x - 1 - x for |x| <= 1, not negative, within 12 ulp: nothing cancels for |x| <= log(2) / 2,
// little beyond.
inline DoubleVec exponentialBeyondLinear(DoubleVec x) {
  const DoubleExponentialParts parts = exponentialParts(x);
  const DoubleVec scale = asDoubles(parts.power + kDoubleOne);
  const DoubleVec beyond = multiplyAdd(scale, parts.r + parts.tail, scale - 1.0) - x;
  return scale == 1.0 ? parts.tail : beyond;
}

// log(1 + f) + k log 2 for f in [sqrt(1/2) - 1, sqrt(2) - 1]: with s = f / (2 + f), log(1 + f) =
// 2 atanh(s) = s (2 + s^2 p(s^2)), p minimax (relative error of the whole 4.5e-18).
inline DoubleVec logarithmOfParts(DoubleVec f, DoubleVec k) {
  const DoubleVec s = f / (2.0 + f);
  const DoubleVec z = s * s;
  DoubleVec p = broadcast(0.14617872803129472);
  p = multiplyAdd(p, z, broadcast(0.1533159698024087));
  p = multiplyAdd(p, z, broadcast(0.18182893216800716));
  p = multiplyAdd(p, z, broadcast(0.22222211072894535));
  p = multiplyAdd(p, z, broadcast(0.28571428626398654));
  p = multiplyAdd(p, z, broadcast(0.39999999999898445));
  p = multiplyAdd(p, z, broadcast(0.666666666666667));
  const DoubleVec low =
      multiplyAdd(s, multiplyAdd(z, p, broadcast(2.0)), k * 1.9082149292705877e-10);
  return multiplyAdd(k, broadcast(0.6931471803691238), low);
}

constexpr double kRootOfTwo = 1.4142135623730951;

// log(x) within 3 ulp for normal x >= 1.
inline DoubleVec logarithm(DoubleVec x) {
  constexpr unsigned long long kMantissa = 0x000fffffffffffff;
  constexpr unsigned long long kTwoTo52 = 0x4330000000000000;  // the bits of 2^52
  const BitsVec bits = asBits(x);
  DoubleVec k = asDoubles((bits >> 52) | kTwoTo52) - (4503599627370496.0 + 1023.0);
  DoubleVec m = asDoubles((bits & kMantissa) | kDoubleOne);
  k = m > kRootOfTwo ? k + 1.0 : k;
  m = m > kRootOfTwo ? m * 0.5 : m;
  const DoubleVec result = logarithmOfParts(m - 1.0, k);
  return x != x ? x : result;
}

// log(1 + x) within 3 ulp for x in [0, 1].
inline DoubleVec logarithmOfOnePlus(DoubleVec x) {
  const DoubleVec halved =
      (x - 1.0) * 0.5;  // (1 + x) / 2 - 1; exact from 1/2 on, half an ulp below
  const DoubleVec f = x > kRootOfTwo - 1.0 ? halved : x;
  const DoubleVec k = x > kRootOfTwo - 1.0 ? broadcast(1.0) : DoubleVec{};
  return logarithmOfParts(f, k);
}

// tanh within 4 ulp: with e = e^2|x| - 1, e / (e + 2); 1 from 20 on.
inline DoubleVec hyperbolicTangent(DoubleVec x) {
  DoubleVec twice = absolute(x) * 2.0;
  twice = twice > 40.0 ? broadcast(40.0) : twice;  // NaN stays NaN
  const DoubleVec e = exponentialMinusOne(twice);
  return withSign(e / (e + 2.0), x);
}

// 1 / (1 + e^-x), from e^-|x| so that both tails keep their digits.
inline DoubleVec logisticSigmoid(DoubleVec x) {
  const DoubleVec e = exponential(-absolute(x));
  return (x >= 0.0 ? broadcast(1.0) : e) / (1.0 + e);
}
