#include "peak.h"

#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "core/cpu/target_region.h"

namespace trustregion::bench {
namespace {

using Loop = float (*)(size_t repetitions);
constexpr size_t kChains = 12;  // independent sums: enough to hide the latency of two units

// Twelve chains written out, so that they stay in registers; the empty statements keep the compiler
// from merging repetitions.
#define TRUSTREGION_PEAK_LOOP(name, Vec, set, multiplyAdd)                                  \
  float name(size_t repetitions) {                                                          \
    const Vec f = set(0.999F);                                                              \
    const Vec t = set(1e-3F);                                                               \
    Vec a = t, b = f, c = t, d = f, e = t, g = f, h = t, i = f, j = t, k = f, l = t, m = f; \
    for (size_t n = 0; n < repetitions; n++) {                                              \
      a = multiplyAdd(a, f, t), b = multiplyAdd(b, f, t), c = multiplyAdd(c, f, t);         \
      d = multiplyAdd(d, f, t), e = multiplyAdd(e, f, t), g = multiplyAdd(g, f, t);         \
      h = multiplyAdd(h, f, t), i = multiplyAdd(i, f, t), j = multiplyAdd(j, f, t);         \
      k = multiplyAdd(k, f, t), l = multiplyAdd(l, f, t), m = multiplyAdd(m, f, t);         \
      __asm__ volatile("" : "+v"(a), "+v"(b), "+v"(c), "+v"(d), "+v"(e), "+v"(g));          \
      __asm__ volatile("" : "+v"(h), "+v"(i), "+v"(j), "+v"(k), "+v"(l), "+v"(m));          \
    }                                                                                       \
    return (a + b + c + d + e + g + h + i + j + k + l + m)[0];                              \
  }

__m128 multiplyThenAdd(__m128 a, __m128 b, __m128 c) { return _mm_add_ps(_mm_mul_ps(a, b), c); }

TRUSTREGION_PEAK_LOOP(baselineLoop, __m128, _mm_set1_ps, multiplyThenAdd)
TRUSTREGION_BEGIN_TARGET("avx2,fma")
TRUSTREGION_PEAK_LOOP(avx2Loop, __m256, _mm256_set1_ps, _mm256_fmadd_ps)
TRUSTREGION_END_TARGET
TRUSTREGION_BEGIN_TARGET("avx512f,avx512vl,fma")
TRUSTREGION_PEAK_LOOP(avx512Loop, __m512, _mm512_set1_ps, _mm512_fmadd_ps)
TRUSTREGION_END_TARGET

struct Target {
  Loop loop;
  double lanes;
};

Target targetOf(const std::string& backend) {
  // The peak in float32, also where products are of bfloat16.
  if (backend == "cpu-avx512" || backend.starts_with("cpu-amx")) return {avx512Loop, 16};
  if (backend == "cpu-avx2") return {avx2Loop, 8};
  return {baselineLoop, 4};
}

std::atomic<float> sink;

}  // namespace

double peakFlops(const std::string& backend, unsigned threads) {
  using Clock = std::chrono::steady_clock;
  const auto [loop, lanes] = targetOf(backend);
  constexpr size_t kRepetitions = 400000;
  double best = 0;
  for (int trial = 0; trial < 8; trial++) {
    std::vector<std::thread> others;
    const auto start = Clock::now();
    for (unsigned i = 1; i < threads; i++) {
      others.emplace_back([loop = loop] { sink = loop(kRepetitions); });
    }
    sink = loop(kRepetitions);
    for (std::thread& other : others) other.join();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double flops = 2.0 * lanes * kChains * kRepetitions * threads / seconds;
    if (flops > best) best = flops;
  }
  return best;
}

}  // namespace trustregion::bench
