#include "core/cpu/kernels.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#else
#include <immintrin.h>
#endif

#include "core/cpu/target_region.h"

namespace trustregion::cpu {
namespace baseline {
namespace {

// Four lanes: SSE2 on x86-64, NEON on arm64; what every such machine has.
constexpr size_t kLanes = 4;
typedef float Vec __attribute__((vector_size(16), may_alias));
typedef uint32_t WordVec __attribute__((vector_size(16), may_alias));
typedef double DoubleVec __attribute__((vector_size(16), may_alias));
typedef unsigned long long BitsVec __attribute__((vector_size(16), may_alias));

#if defined(__aarch64__)
inline Vec multiplyAdd(Vec a, Vec b, Vec c) { return vfmaq_f32(c, a, b); }
inline DoubleVec multiplyAdd(DoubleVec a, DoubleVec b, DoubleVec c) { return vfmaq_f64(c, a, b); }
inline Vec squareRoot(Vec x) { return vsqrtq_f32(x); }
#else
inline Vec multiplyAdd(Vec a, Vec b, Vec c) { return a * b + c; }  // SSE2 rounds twice
inline DoubleVec multiplyAdd(DoubleVec a, DoubleVec b, DoubleVec c) { return a * b + c; }
inline Vec squareRoot(Vec x) { return _mm_sqrt_ps(x); }
#endif

inline DoubleVec widened(const float* from) {
  return DoubleVec{static_cast<double>(from[0]), static_cast<double>(from[1])};
}

// 16 registers: 6 x 2 sums, 2 vectors of b, one broadcast.
constexpr size_t kMaxVectors = 2;
constexpr size_t kBlockRows[] = {0, 12, 6};
constexpr size_t kNarrowSums = 8;

constexpr size_t kMostSteps = 512;
constexpr size_t kStepsAtOnce = 512;

#include "core/cpu/kernels.inl"

#include "core/cpu/dense.inl"

}  // namespace
}  // namespace baseline

const Kernels& baselineKernels() { return baseline::kKernels; }
const DenseKernels& baselineDenseKernels() { return baseline::kDenseKernels; }

}  // namespace trustregion::cpu
