#pragma once

#include <string>
#include <vector>

#include "check.h"
#include "core/cpu/cpu_backend.h"
#include "core/cpu/kernels.h"

namespace trustregion::test {

// The kernels of one instruction set, named as the backend that uses them.
struct Target {
  std::string name;
  const cpu::Kernels* kernels;
  bool isSupported;
};

inline std::vector<Target> allTargets() {
  std::vector<Target> targets;
  for (const Backend* backend : cpuBackends()) {
    // Where products are of bfloat16 the rest is cpu-avx512's; split_test has those products.
    if (backend->productPrecision() != backend->precision()) continue;
    targets.push_back({backend->name(), kernelsOf(*backend), backend->isSupported()});
  }
  return targets;
}

// Adds the case once for each target; skipped by name where the machine lacks the instructions.
template <class Run>
bool addCaseForEachTarget(const std::string& name, const Run& run) {
  for (const Target& target : allTargets()) {
    addCase(name + " on " + target.name, [=] {
      if (!target.isSupported) skipCase("this machine lacks the instructions");
      CHECK(target.kernels != nullptr);
      run(*target.kernels);
    });
  }
  return true;
}

}  // namespace trustregion::test
