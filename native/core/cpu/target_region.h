#pragma once

// Compiles what stands between the two macros for an instruction set, whatever flags the compiler
// was given: one binary serves every machine, and no flag can leak into shared code. `features` is
// a comma-separated list as in __attribute__((target(...))). Include every header before the
// region.
#define TRUSTREGION_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define TRUSTREGION_BEGIN_TARGET(features) \
  TRUSTREGION_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define TRUSTREGION_END_TARGET _Pragma("clang attribute pop")
#elif defined(__GNUC__)
#define TRUSTREGION_BEGIN_TARGET(features) \
  _Pragma("GCC push_options") TRUSTREGION_PRAGMA(GCC target(features))
#define TRUSTREGION_END_TARGET _Pragma("GCC pop_options")
#else
#error "no target regions: build with GCC or Clang (on Windows, clang-cl)"
#endif

// For what must be part of its caller, so that sums stay in registers.
#define TRUSTREGION_ALWAYS_INLINE inline __attribute__((always_inline))
