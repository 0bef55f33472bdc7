#include "core/cpu/kernels.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <immintrin.h>

#include "core/cpu/target_region.h"

TRUSTREGION_BEGIN_TARGET("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
namespace trustregion::cpu {
namespace avx512 {
namespace {

constexpr size_t kLanes = 16;
typedef float Vec __attribute__((vector_size(64), may_alias));
typedef uint32_t WordVec __attribute__((vector_size(64), may_alias));
typedef double DoubleVec __attribute__((vector_size(64), may_alias));
typedef unsigned long long BitsVec __attribute__((vector_size(64), may_alias));

inline Vec multiplyAdd(Vec a, Vec b, Vec c) { return _mm512_fmadd_ps(a, b, c); }
inline DoubleVec multiplyAdd(DoubleVec a, DoubleVec b, DoubleVec c) {
  return _mm512_fmadd_pd(a, b, c);
}

// With masks of ones: for the plain forms GCC 12 warns of an uninitialised register.

// Of eight floats; the compiler's own conversion of vectors takes them apart first.
inline DoubleVec widened(const float* from) {
  return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));
}
inline Vec squareRoot(Vec x) { return _mm512_maskz_sqrt_ps(0xffff, x); }

// 32 registers: 6 x 4 sums, 4 vectors of b, one broadcast.
constexpr size_t kMaxVectors = 4;
constexpr size_t kBlockRows[] = {0, 16, 12, 8, 6};
constexpr size_t kNarrowSums = 24;

constexpr size_t kMostSteps = 640;
constexpr size_t kStepsAtOnce = 512;

#include "core/cpu/kernels.inl"

#include "core/cpu/dense.inl"

}  // namespace
}  // namespace avx512
}  // namespace trustregion::cpu
TRUSTREGION_END_TARGET

namespace trustregion::cpu {
const Kernels& avx512Kernels() { return avx512::kKernels; }
const DenseKernels& avx512DenseKernels() { return avx512::kDenseKernels; }
}  // namespace trustregion::cpu

#endif
