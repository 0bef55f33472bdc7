#pragma once

#include <cmath>
#include <cstddef>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "check.h"
#include "core/backend.h"
#include "core/policy_model.h"
#include "core/random.h"
#include "core/reference/reference_backend.h"
#include "tracked_mlp.h"

// Random policies and rollouts for the tests of the backends and of what stands on them.
namespace trustregion::test {

inline double roundToFloat(double value) { return static_cast<float>(value); }

struct Shape {
  size_t rows;
  size_t observationSize;
  std::vector<size_t> hidden;
};

struct TestPolicy {
  Distribution distribution;
  Activation activation;
  Shape shape;
};

// Those that Kronecker factors, and what is made of them, are tried on.
inline std::vector<TestPolicy> kroneckerPolicies() {
  return {{Distribution::gaussian(2), Activation::tanh, {130, 3, {5, 4}}},
          {Distribution::categorical({3, 2}), Activation::relu, {65, 4, {17}}},
          {Distribution::categorical({4}), Activation::silu, {200, 2, {6}}},
          {Distribution::bernoulli(3), Activation::tanh, {33, 18, {}}}};
}

// What a backend makes its Fisher products of.
inline Products productsOf(const Backend& backend) {
  if (backend.productPrecision() == "bfloat16x3") return Products::pairs;
  return backend.productPrecision() == "bfloat16x2" ? Products::rounded : Products::single;
}

// Adds the case once for each backend; skipped by name where the machine cannot run it.
template <class Run>
bool addForEachBackend(const std::string& name, const Run& run) {
  for (const Backend* backend : allBackends()) {
    addCase(name + " on " + backend->name(), [=] {
      if (!backend->isSupported()) skipCase("not supported by this machine");
      run(*backend);
    });
  }
  return true;
}

inline std::string describe(const Distribution& distribution) {
  std::ostringstream text;
  switch (distribution.kind()) {
    case DistributionKind::gaussian:
      text << "gaussian(" << distribution.headSize() << ")";
      break;
    case DistributionKind::categorical: {
      const char* separator = "categorical(";
      for (const size_t count : distribution.counts()) {
        text << separator << count;
        separator = ",";
      }
      text << ")";
      break;
    }
    case DistributionKind::bernoulli:
      text << "bernoulli(" << distribution.headSize() << ")";
      break;
  }
  return text.str();
}

inline std::string describe(const Distribution& distribution, Activation activation,
                            const Shape& shape) {
  std::ostringstream text;
  text << describe(distribution) << " " << activationName(activation) << " "
       << shape.observationSize;
  for (const size_t width : shape.hidden) text << "-" << width;
  text << " rows " << shape.rows;
  return text.str();
}

// A policy at `parameters`, a batch, and other parameters nearby. All numbers are representable in
// float32, so that rounding the inputs is no error.
struct PolicyProblem {
  PolicyModel model;
  std::vector<double> parameters;
  std::vector<double> candidate;
  std::vector<double> direction;
  size_t rows;
  std::vector<float> observations;
  std::vector<double> actions;
  std::vector<double> advantages;
  ObservationScaling scaling;

  RolloutView view() const {
    return {rows,
            {observations.data(), observations.size()},
            {actions.data(), actions.size()},
            {advantages.data(), advantages.size()}};
  }

  std::unique_ptr<Problem> on(const Backend& backend, unsigned threads = 1) const {
    return backend.makeProblem(model, parameters, scaling, view(), threads);
  }

  // The numbers that the network sees of one row.
  TrackedVector scaledObservation(size_t row) const {
    const size_t size = model.observationSize();
    std::vector<double> scaled(size);
    scaling.apply(view().observations.subspan(row * size, size), 1, size, scaled.data(), size);
    TrackedVector tracked;
    for (const double value : scaled) {
      tracked.push_back(scaling.isIdentity() ? Tracked{value, 0} : rounded(value));
    }
    return tracked;
  }
};

inline TrackedVector exactNumbers(std::span<const double> values) {
  TrackedVector tracked;
  for (const double value : values) tracked.push_back({value, 0});
  return tracked;
}

inline std::vector<double> normals(size_t size, Random& random, double scale = 1) {
  std::vector<double> values(size);
  for (double& value : values) value = scale * random.normal();
  return values;
}

// Weights of variance 1 / inputs keep activations of size one through every depth.
inline std::vector<double> randomParameters(const PolicyModel& model, Random& random) {
  std::vector<double> parameters(model.parameterCount());
  for (const LayerLayout& layer : model.network.layers()) {
    const double scale = 1 / std::sqrt(static_cast<double>(layer.inputs));
    for (size_t i = layer.weightOffset; i < layer.biasOffset; i++) {
      parameters[i] = scale * random.normal();
    }
    for (size_t j = 0; j < layer.outputs; j++) {
      parameters[layer.biasOffset + j] = 0.2 * random.normal();
    }
  }
  for (size_t i = model.logStdOffset(); i < parameters.size(); i++) {
    parameters[i] = -1 + random.uniform();
  }
  for (double& value : parameters) value = roundToFloat(value);
  return parameters;
}

// Draws rows again whose ReLUs stand too near their kinks for float32 to tell the side.
inline void avoidKinks(PolicyProblem& problem, Random& random) {
  if (problem.model.network.activation() != Activation::relu) return;
  const TrackedVector parameters = exactNumbers(problem.parameters);
  const size_t size = problem.model.observationSize();
  for (size_t row = 0; row < problem.rows; row++) {
    while (trackedForward(problem.model.network, parameters, problem.scaledObservation(row))
               .kinkDistance < 2) {
      for (size_t i = 0; i < size; i++) {
        problem.observations[row * size + i] = static_cast<float>(random.normal());
      }
    }
  }
}

inline PolicyProblem randomProblem(const Distribution& distribution, Activation activation,
                                   const Shape& shape, uint64_t seed, bool scaled = false) {
  Random random(seed, 77);
  PolicyProblem problem{PolicyModel{MlpLayout(shape.observationSize, shape.hidden,
                                              distribution.headSize(), activation),
                                    distribution},
                        {},
                        {},
                        {},
                        shape.rows,
                        {},
                        {},
                        {},
                        {}};
  problem.parameters = randomParameters(problem.model, random);
  problem.direction = normals(problem.parameters.size(), random);
  for (double& value : problem.direction) value = roundToFloat(value);
  for (const double value : problem.parameters) {
    problem.candidate.push_back(roundToFloat(value * (1 + 0.05 * random.normal())));
  }
  problem.observations.resize(shape.rows * shape.observationSize);
  for (float& value : problem.observations) value = static_cast<float>(random.normal());
  if (scaled) {
    problem.scaling = {normals(shape.observationSize, random),
                       std::vector<double>(shape.observationSize, 0.7), 2.5};
  }
  avoidKinks(problem, random);

  // Actions of the policy itself, as in a rollout.
  const auto network = referenceBackend().makeNetwork(problem.model.network, problem.parameters);
  const auto workspace = network->makeWorkspace();
  std::vector<double> heads(shape.rows * distribution.headSize());
  network->forward(problem.view().observations, shape.rows, problem.scaling, heads.data(),
                   *workspace);
  problem.actions.resize(shape.rows * distribution.actionSize());
  for (size_t row = 0; row < shape.rows; row++) {
    distribution.sample(heads.data() + row * distribution.headSize(),
                        problem.parameters.data() + problem.model.logStdOffset(), random,
                        problem.actions.data() + row * distribution.actionSize());
  }
  problem.advantages = normals(shape.rows, random);
  for (double& value : problem.advantages) value = roundToFloat(value);
  return problem;
}

}  // namespace trustregion::test
