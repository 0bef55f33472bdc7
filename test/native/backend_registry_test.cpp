// Finding backends by name, by environment variable, and never another one than asked for.

#include <algorithm>
#include <set>

#include "core/policy.h"
#include "environment.h"
#include "problems.h"

namespace trustregion::test {
namespace {

constexpr const char* kVariable = "TRUSTREGION_BACKEND";

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

CASE("names are unique, the reference is last, and baseline and reference run everywhere") {
  std::set<std::string> names;
  for (const Backend* backend : allBackends()) {
    CHECK(names.insert(backend->name()).second);
    CHECK(!backend->description().empty());
    CHECK(backend->precision() == (backend->name() == "reference" ? "float64" : "float32"));
  }
  CHECK(allBackends().back()->name() == "reference");
  CHECK(contains(supportedBackendNames(), "cpu-baseline"));
  CHECK(contains(supportedBackendNames(), "reference"));
}

CASE("a name finds exactly that backend, or nothing") {
  setVariable(kVariable, nullptr);
  for (const Backend* backend : allBackends()) {
    const Context context(backend->name());
    CHECK(contains(supportedBackendNames(), backend->name()) == backend->isSupported());
    if (backend->isSupported()) {
      CHECK(&findBackend(backend->name()) == backend);
    } else {
      CHECK_THROWS(ErrorCode::unknownBackend, backend->name(), findBackend(backend->name()));
    }
  }
}

CASE("'cpu' and the empty name are the first cpu backend that this machine can run") {
  setVariable(kVariable, nullptr);
  const auto& all = allBackends();
  const auto first = std::find_if(all.begin(), all.end(), [](const Backend* backend) {
    return backend->isSupported() && backend->name().rfind("cpu-", 0) == 0;
  });
  CHECK(first != all.end());
  CHECK(&findBackend("cpu") == *first);
  CHECK(&findBackend("") == *first);
}

CASE("an unknown name lists what there is") {
  setVariable(kVariable, nullptr);
  for (const char* name : {"gpu", "CPU", "cpu-", "cpu-avx", "reference "}) {
    const Context context(name);
    CHECK_THROWS(ErrorCode::unknownBackend, "backend '" + std::string(name) + "' is not available",
                 findBackend(name));
  }
  for (const std::string& supported : supportedBackendNames()) {
    CHECK_THROWS(ErrorCode::unknownBackend, supported, findBackend("gpu"));
  }
}

CASE("the environment variable stands in for the empty name only") {
  for (const std::string& name : supportedBackendNames()) {
    setVariable(kVariable, name.c_str());
    CHECK(findBackend("").name() == name);
    CHECK(findBackend("reference").name() == "reference");
    PolicyConfig config;
    config.observationSize = 2;
    config.actionCounts = {1};
    CHECK(Policy(config).backend().name() == name);
  }
  setVariable(kVariable, "nonsense");
  CHECK_THROWS(ErrorCode::unknownBackend, "backend 'nonsense'", findBackend(""));
  CHECK(findBackend("reference").name() == "reference");
  setVariable(kVariable, "");
  CHECK(findBackend("").name() == findBackend("cpu").name());
  setVariable(kVariable, nullptr);
}

CASE("every supported backend really runs, and in its own precision") {
  const PolicyProblem problem =
      randomProblem(Distribution::gaussian(2), Activation::tanh, {20, 3, {16}}, 4);
  std::set<std::vector<double>> answers;
  for (const std::string& name : supportedBackendNames()) {
    const auto held = problem.on(findBackend(name));
    std::vector<double> product(problem.parameters.size());
    held->fisherProduct(problem.direction, product);
    CHECK(product[0] != 0);
    answers.insert(product);
  }
  // The oracle in double precision cannot agree with float32 to the last bit.
  CHECK(answers.size() >= 2);
}

CASE("roundParameters: to float32, or not at all") {
  for (const Backend* backend : allBackends()) {
    std::vector<double> values = {0.1, -1, 1e-30, 12345678.9};
    const std::vector<double> original = values;
    backend->roundParameters(values);
    for (size_t i = 0; i < values.size(); i++) {
      const bool isDouble = backend->precision() == "float64";
      CHECK(values[i] == (isDouble ? original[i] : roundToFloat(original[i])));
    }
    const std::vector<double> once = values;
    backend->roundParameters(values);
    CHECK(values == once);
  }
}

CASE("an Evaluation: sums, means and what is not finite") {
  Evaluation a;
  a.addRow(0.1, 1);
  a.addRow(0.3, 2);
  Evaluation b;
  b.addRow(0.2, 6);
  b.surrogate = 3;
  a.addRows(b);
  a.divideByRows(3);
  CHECK_NEAR(a.meanKl, 0.2, 4 * kDoubleRoundoff);
  CHECK(a.maxKl == 0.3 && a.entropy == 3 && a.surrogate == 1 && a.finite);
  for (const double bad : {std::nan(""), HUGE_VAL}) {
    for (const int order : {0, 1}) {
      Evaluation sum;
      if (order == 1) sum.addRow(0.5, 0);
      sum.addRow(bad, 0);
      if (order == 0) sum.addRow(0.5, 0);
      sum.divideByRows(2);
      CHECK(!sum.finite);
    }
    Evaluation entropy;
    entropy.addRow(0, bad);
    entropy.divideByRows(1);
    CHECK(!entropy.finite);
    Evaluation surrogate;
    surrogate.surrogate = bad;
    surrogate.divideByRows(1);
    CHECK(!surrogate.finite);
  }
}

}  // namespace
}  // namespace trustregion::test

TEST_MAIN()
