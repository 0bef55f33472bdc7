#pragma once

// 1 where the address or the memory sanitizer watches. GCC and Clang say so in different ways.
#if defined(__SANITIZE_ADDRESS__)
#define TRUSTREGION_WATCHES_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define TRUSTREGION_WATCHES_MEMORY 1
#endif
#endif
#if !defined(TRUSTREGION_WATCHES_MEMORY)
#define TRUSTREGION_WATCHES_MEMORY 0
#endif
