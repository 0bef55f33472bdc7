# Builds the addon with node-gyp: what `npm install` does when there is no prebuilt binary.
# CMakeLists.txt builds the same sources with the same flags; change both together.
# Linux is tested. The macOS and Windows settings are there in good faith and are untested.
#
# There is no -march flag on purpose: kernels choose their instruction set at load time, so that one
# binary serves every machine. -ffp-contract=off because fused multiply-adds are written where they
# are meant, and a compiler that adds its own would change the bits of a result.
{
  "variables": {
    "core_sources": ["<!@(node -p \"require('./native/sources.json').core.join(' ')\")"],
    "binding_sources": ["<!@(node -p \"require('./native/sources.json').binding.join(' ')\")"],
  },
  "target_defaults": {
    "include_dirs": ["native"],
    "defines": ["NDEBUG"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20", "-fno-exceptions", "-fno-rtti"],
    "cflags_cc": [
      "-std=c++20",
      "-O3",
      "-ffp-contract=off",
      "-fvisibility=hidden",
      "-pthread",
      "-Wall",
      "-Wextra",
    ],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "CLANG_CXX_LIBRARY": "libc++",
      "GCC_ENABLE_CPP_EXCEPTIONS": "YES",
      "GCC_ENABLE_CPP_RTTI": "YES",
      "GCC_OPTIMIZATION_LEVEL": "3",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CPLUSPLUSFLAGS": ["-ffp-contract=off", "-Wall", "-Wextra"],
    },
    "msvs_settings": {
      "VCCLCompilerTool": {
        "ExceptionHandling": 1,
        "RuntimeTypeInfo": "true",
        "AdditionalOptions": ["/std:c++20", "/fp:precise", "/Zc:__cplusplus"],
      },
    },
    "conditions": [
      [
        "OS=='win'",
        {
          "defines": ["_HAS_EXCEPTIONS=1", "NOMINMAX", "_USE_MATH_DEFINES"],
          # The kernels' target regions need clang's front end.
          "msbuild_toolset": "ClangCL",
        },
      ],
    ],
  },
  "targets": [
    {
      "target_name": "trustregion_core",
      "type": "static_library",
      "sources": ["<@(core_sources)"],
    },
    {
      "target_name": "trustregion",
      "dependencies": ["trustregion_core"],
      "sources": ["<@(binding_sources)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_CPP_EXCEPTIONS"],
      "conditions": [
        # The pool's threads outlive a worker that loaded the addon and ended: its code must stay
        # mapped.
        ["OS=='linux'", {"ldflags": ["-Wl,-z,nodelete"]}],
      ],
    },
  ],
}
