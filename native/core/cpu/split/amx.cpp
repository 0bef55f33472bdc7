#include "core/cpu/split/split_kernels.h"

#if defined(__x86_64__) || defined(_M_X64)

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <utility>

#include "core/cpu/target_region.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace trustregion::cpu {
namespace amx {
namespace {

// Linux knows the tiles' state from 5.16 on, and gives it to a process that asks, for all its
// threads (Documentation/arch/x86/xstate.rst).
#if defined(__linux__)
constexpr long kTileData = 18;

bool systemKnowsTiles() {
  constexpr long kGetSupported = 0x1021;
  uint64_t supported = 0;
  return syscall(SYS_arch_prctl, kGetSupported, &supported) == 0 &&
         (supported >> kTileData & 1) != 0;
}

bool request() {
  constexpr long kRequestPermission = 0x1023;
  static const bool isGranted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return isGranted;
}
#else
bool systemKnowsTiles() { return false; }
bool request() { return false; }
#endif

}  // namespace
}  // namespace amx
}  // namespace trustregion::cpu

TRUSTREGION_BEGIN_TARGET("amx-tile,amx-bf16,avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")
namespace trustregion::cpu {
namespace amx {
namespace {

// Eight tiles of 16 lines of 64 bytes: palette 1 (Intel 64 and IA-32 Architectures Software
// Developer's Manual, volume 1, chapter 18).
struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t startRow = 0;
  uint8_t reserved[14] = {};
  uint16_t lineBytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t lines[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfiguration) == 64);

typedef float Lanes __attribute__((vector_size(64), may_alias));
inline Lanes multiplyAdd(Lanes a, Lanes b, Lanes c) { return _mm512_fmadd_ps(a, b, c); }

typedef double DoubleLanes __attribute__((vector_size(64), may_alias));
// With a mask, as in avx512.cpp.
inline DoubleLanes widened(const float* from) {
  return _mm512_maskz_cvtps_pd(0xff, _mm256_loadu_ps(from));
}

typedef uint32_t WordLanes __attribute__((vector_size(64), may_alias));

// One shuffle of bytes each. While the unit works, a core has one port for float32 vectors and
// shifts, and another one for shuffles.
inline WordLanes shuffleBytes(WordLanes to, __mmask64 bytes, WordLanes from, WordLanes order) {
  return reinterpret_cast<WordLanes>(_mm512_mask_shuffle_epi8(reinterpret_cast<__m512i>(to), bytes,
                                                              reinterpret_cast<__m512i>(from),
                                                              reinterpret_cast<__m512i>(order)));
}

// (a >> 16) | (b & 0xffff0000)
inline WordLanes joinUpperHalves(WordLanes a, WordLanes b) {
  constexpr WordLanes kOrder = {0x0302, 0x0706, 0x0b0a, 0x0f0e, 0x0302, 0x0706, 0x0b0a, 0x0f0e,
                                0x0302, 0x0706, 0x0b0a, 0x0f0e, 0x0302, 0x0706, 0x0b0a, 0x0f0e};
  return shuffleBytes(b, 0x3333333333333333, a, kOrder);
}

// (a & 0xffff) | (b << 16)
inline WordLanes joinLowerHalves(WordLanes a, WordLanes b) {
  constexpr WordLanes kOrder = {0x01000000, 0x05040000, 0x09080000, 0x0d0c0000,
                                0x01000000, 0x05040000, 0x09080000, 0x0d0c0000,
                                0x01000000, 0x05040000, 0x09080000, 0x0d0c0000,
                                0x01000000, 0x05040000, 0x09080000, 0x0d0c0000};
  return shuffleBytes(a, 0xcccccccccccccccc, b, kOrder);
}

// Tiles are a thread's; while they hold nothing, a thread switch saves nothing of them.
void acquire() {
  static constexpr TileConfiguration kConfiguration;
  _tile_loadconfig(&kConfiguration);
}

void release() { _tile_release(); }

constexpr size_t kLineBytes = kTileSide * sizeof(uint32_t);

// Sums are made in tiles 0 (row block 0, column block 0), 1 (0, 1), 2 (1, 0) and 3 (1, 1), with row
// blocks of the left factor in 4 and 5 and column blocks of the right one in 6 and 7.
template <size_t kRowBlocks, size_t kColumnBlocks>
TRUSTREGION_ALWAYS_INLINE void addProducts() {
  _tile_dpbf16ps(0, 4, 6);
  if constexpr (kColumnBlocks == 2) _tile_dpbf16ps(1, 4, 7);
  if constexpr (kRowBlocks == 2) _tile_dpbf16ps(2, 5, 6);
  if constexpr (kRowBlocks == 2 && kColumnBlocks == 2) _tile_dpbf16ps(3, 5, 7);
}

// Block by block of a factor: 4 and 5, or 6 and 7.
template <size_t kRowBlocks>
TRUSTREGION_ALWAYS_INLINE void loadLeft(const TileLines& first, const TileLines& second) {
  _tile_loadd(4, first, kLineBytes);
  if constexpr (kRowBlocks == 2) _tile_loadd(5, second, kLineBytes);
}
template <size_t kColumnBlocks>
TRUSTREGION_ALWAYS_INLINE void loadRight(const TileLines& first, const TileLines& second) {
  _tile_loadd(6, first, kLineBytes);
  if constexpr (kColumnBlocks == 2) _tile_loadd(7, second, kLineBytes);
}

template <size_t kRowBlocks, size_t kColumnBlocks, class Factors, class Meanwhile>
TRUSTREGION_ALWAYS_INLINE void addFactors(const Factors& f, Meanwhile& meanwhile) {
  f.begin();
  for (size_t step = 0; step < f.steps; step++) {
    const auto& left0 = f.leftAt(0, step);
    const auto& left1 = f.leftAt(kRowBlocks - 1, step);
    const auto& right0 = f.rightAt(0, step);
    const auto& right1 = f.rightAt(kColumnBlocks - 1, step);
    size_t group = 0;
    const auto finishGroup = [&]() __attribute__((always_inline)) {
      f.prepare(step, group++);
      meanwhile();
      addProducts<kRowBlocks, kColumnBlocks>();
    };
    // The loads of tiles do not tell the compiler that they read memory.
    asm volatile("" ::: "memory");
    loadRight<kColumnBlocks>(right0.high, right1.high);
    if constexpr (Factors::kHasLeftLow) {
      loadLeft<kRowBlocks>(left0.low, left1.low);
      finishGroup();
    }
    loadLeft<kRowBlocks>(left0.high, left1.high);
    finishGroup();
    if constexpr (Factors::kHasRightLow) {
      loadRight<kColumnBlocks>(right0.low, right1.low);
      finishGroup();
    }
  }
}

struct TileUnit {
  template <size_t kRowBlocks, size_t kColumnBlocks, class Sums, class Meanwhile>
  void sum(const Sums& sums, Meanwhile&& meanwhile) {
    _tile_zero(0);
    if constexpr (kColumnBlocks == 2) _tile_zero(1);
    if constexpr (kRowBlocks == 2) _tile_zero(2);
    if constexpr (kRowBlocks == 2 && kColumnBlocks == 2) _tile_zero(3);
    addFactors<kRowBlocks, kColumnBlocks>(sums.first, meanwhile);
    addFactors<kRowBlocks, kColumnBlocks>(sums.second, meanwhile);
    asm volatile("" ::: "memory");
  }

  template <size_t kRowBlocks, size_t kColumnBlocks>
  void store(float* c) {
    constexpr size_t kRowBytes = kSumColumns * sizeof(float);
    float* const lower = c + kTileSide * kSumColumns;
    _tile_stored(0, c, kRowBytes);
    if constexpr (kColumnBlocks == 2) _tile_stored(1, c + kTileSide, kRowBytes);
    if constexpr (kRowBlocks == 2) _tile_stored(2, lower, kRowBytes);
    if constexpr (kRowBlocks == 2 && kColumnBlocks == 2) {
      _tile_stored(3, lower + kTileSide, kRowBytes);
    }
  }
};

#include "core/cpu/split/split.inl"

}  // namespace
}  // namespace amx
}  // namespace trustregion::cpu
TRUSTREGION_END_TARGET

namespace trustregion::cpu {

namespace {

Kernels avx512With(const SplitKernels& split) {
  Kernels kernels = avx512Kernels();
  kernels.split = &split;
  return kernels;
}

}  // namespace

const Kernels& amxKernels() {
  static const Kernels kernels = avx512With(amx::kSplitKernels);
  return kernels;
}

const Kernels& amxRoundedKernels() {
  static const Kernels kernels = avx512With(amx::kRoundedKernels);
  return kernels;
}

bool hasAmx() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  constexpr unsigned kBfloat16 = 1U << 22;
  constexpr unsigned kTiles = 1U << 24;
  return (d & kBfloat16) != 0 && (d & kTiles) != 0 && amx::systemKnowsTiles();
}

}  // namespace trustregion::cpu

#endif
