#include "core/cpu/kernels.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "core/cpu/target_region.h"

TRUSTREGION_BEGIN_TARGET("avx2,fma")
namespace trustregion::cpu {
namespace avx2 {
namespace {

constexpr size_t kLanes = 8;
typedef float Vec __attribute__((vector_size(32), may_alias));
typedef uint32_t WordVec __attribute__((vector_size(32), may_alias));
typedef double DoubleVec __attribute__((vector_size(32), may_alias));
typedef unsigned long long BitsVec __attribute__((vector_size(32), may_alias));

inline Vec multiplyAdd(Vec a, Vec b, Vec c) { return _mm256_fmadd_ps(a, b, c); }
inline DoubleVec multiplyAdd(DoubleVec a, DoubleVec b, DoubleVec c) {
  return _mm256_fmadd_pd(a, b, c);
}

// Of four floats; the compiler's own conversion of vectors takes them apart first.
inline DoubleVec widened(const float* from) { return _mm256_cvtps_pd(_mm_loadu_ps(from)); }

inline Vec squareRoot(Vec x) { return _mm256_sqrt_ps(x); }

// 16 registers: 6 x 2 sums, 2 vectors of b, one broadcast.
constexpr size_t kMaxVectors = 2;
constexpr size_t kBlockRows[] = {0, 12, 6};
constexpr size_t kNarrowSums = 8;

constexpr size_t kMostSteps = 256;
constexpr size_t kStepsAtOnce = 256;

#include "core/cpu/kernels.inl"

#include "core/cpu/dense.inl"

}  // namespace
}  // namespace avx2
}  // namespace trustregion::cpu
TRUSTREGION_END_TARGET

namespace trustregion::cpu {
const Kernels& avx2Kernels() { return avx2::kKernels; }
const DenseKernels& avx2DenseKernels() { return avx2::kDenseKernels; }
}  // namespace trustregion::cpu

#endif
