#include "core/backend.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "core/cpu/cpu_backend.h"
#include "core/error.h"
#include "core/reference/reference_backend.h"
#include "core/vector_operations.h"

namespace trustregion {

void Evaluation::addRow(double kl, double rowEntropy) {
  meanKl += kl;
  maxKl = std::max(maxKl, kl);  // a NaN shows in the mean
  entropy += rowEntropy;
}

void Evaluation::addRatio(double ratio) {
  ratioSum_ += ratio;
  squaredRatioSum_ += ratio * ratio;
}

void Evaluation::addRows(const Evaluation& sum) {
  ratioSum_ += sum.ratioSum_;
  squaredRatioSum_ += sum.squaredRatioSum_;
  surrogate += sum.surrogate;
  meanKl += sum.meanKl;
  maxKl = std::max(maxKl, sum.maxKl);
  entropy += sum.entropy;
}

void Evaluation::divideByRows(size_t rows) {
  const double count = static_cast<double>(rows);
  surrogate /= count;
  meanKl /= count;
  entropy /= count;
  effectiveSampleSize = squaredRatioSum_ > 0 ? ratioSum_ * (ratioSum_ / squaredRatioSum_) : 0;
  finite = std::isfinite(surrogate) && std::isfinite(meanKl) && std::isfinite(maxKl) &&
           std::isfinite(entropy);
}

void Problem::estimatedFisherProduct(FisherEstimator estimator, std::span<const double> vector,
                                     std::span<double> product) {
  if (estimator == FisherEstimator::empirical) {
    empiricalFisherProduct(vector, product);
  } else {
    fisherProduct(vector, product);
  }
}

void RegressionProblem::descend(FunctionRef<std::span<const uint32_t>()> next, size_t,
                                double learningRate, Adam& adam, std::span<double> parameters) {
  std::vector<double> gradient(parameters.size());
  for (std::span<const uint32_t> rows = next(); !rows.empty(); rows = next()) {
    lossGradient(parameters, rows, gradient);
    adam.step(gradient, learningRate, parameters);
  }
}

ConjugateGradientSummary Problem::solve(std::span<const double> b, const FisherSystem& system,
                                        const ConjugateGradientOptions& options,
                                        std::span<double> x, std::span<double> residual,
                                        const LinearOperator& preconditioner) {
  const LinearOperator fisher = [&](std::span<const double> v, std::span<double> product) {
    estimatedFisherProduct(system.estimator, v, product);
  };
  ConjugateGradientOptions forProblem = options;
  forProblem.shift = system.damping;
  forProblem.threads = threads();
  forProblem.orthogonalityTolerance = orthogonalityTolerance();
  forProblem.singleResiduals = multiplySingle() != nullptr;
  return conjugateGradient(fisher, b, x, forProblem, residual, preconditioner);
}

const std::vector<const Backend*>& allBackends() {
  static const auto& backends = *new std::vector<const Backend*>([] {
    std::vector<const Backend*> list = cpuBackends();
    list.push_back(&referenceBackend());
    return list;
  }());
  return backends;
}

std::vector<std::string> supportedBackendNames() {
  std::vector<std::string> names;
  for (const Backend* backend : allBackends()) {
    if (backend->isSupported()) names.push_back(backend->name());
  }
  return names;
}

const Backend& findBackend(const std::string& requested) {
  std::string name = requested;
  if (name.empty()) {
    const char* forced = std::getenv("TRUSTREGION_BACKEND");
    name = forced != nullptr && *forced != '\0' ? forced : "cpu";
  }
  for (const Backend* backend : allBackends()) {
    const bool matches =
        backend->name() == name || (name == "cpu" && backend->name().rfind("cpu-", 0) == 0);
    if (!matches || !backend->isSupported()) continue;
    backend->prepare();
    return *backend;
  }
  std::string known = "cpu";
  for (const std::string& supported : supportedBackendNames()) known += ", " + supported;
  throw Error(ErrorCode::unknownBackend,
              "backend '" + name + "' is not available on this machine; available: " + known);
}

}  // namespace trustregion
